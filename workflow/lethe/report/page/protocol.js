// The protocol of a number: shown while the pointer or the focus is on it, and kept open by a click.
const panel = $("protocol");
let pinned = false;
let shownFor = null;
let wait = 0;

/** The distinct values of a column over records, in their order. */
function distinct(column, places) {
  return [...new Set(places.map((place) => recordValue(column, place)).filter((value) => value !== "" && value !== null))];
}

function span(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? `${low}` : `${low}\u2013${high}`;
}

function few(words) {
  return words.length > 3 ? `${words.slice(0, 2).join("; ")} and ${words.length - 2} more` : words.join("; ");
}

/** [name, words] pairs of what records have in common. */
function ofRecords(places) {
  if (!places.length) return [];
  const seeds = distinct("seed", places);
  const counts = distinct("n", places);
  const lines = [
    ["records", places.length > 1 ? `${places.length}: ${few(distinct("metric", places))} of ${few(distinct("variant", places))}` : ""],
    ["targets", places.length > 1 ? distinct("target", places).map((name) => targetTitle(recordValue("study", places[0]), name)).join(", ") : ""],
    ["training seeds", seeds.join(", ")],
    ["n", counts.length ? `${span(counts)} images a cell` : ""],
    ["image seeds", few(distinct("image_seeds", places))],
    ["sampler", distinct("sampler", places).join("; ")],
    ["judge", distinct("judge", places).join("; ")],
    ["its weights, sha256", distinct("judge_sha256", places).join(" ")],
    ["looks at", distinct("features", places).join("; ")],
    ["against", distinct("reference", places).join("; ")],
  ];
  const prints = distinct("fingerprint", places);
  const more = prints.length > 3 ? ` and ${prints.length - 2} more` : "";
  lines.push([prints.length > 1 ? "fingerprints" : "fingerprint", prints.slice(0, more ? 2 : 3).join(" ") + more]);
  return lines;
}

function linesOfNumber(told) {
  const interval = told.low === undefined ? "" : `${shortNumber(told.low)} to ${shortNumber(told.high)}`;
  const lines = [
    ["metric", [told.metric, DATA.metrics[told.metric]].filter(Boolean).join(": ")],
    ["prompts", told.prompts ? `${told.prompts}: ${promptsTitle(told.prompts)}` : ""],
    ["forgotten", (told.target || "").split(" ").map((name) => targetTitle(told.study, name)).join(", ")],
    ["compared", told.at || ""],
  ];
  if (told.value !== undefined)
    lines.push(
      ["value", fullNumber(told.value)],
      ["standard deviation", told.std === undefined ? "" : shortNumber(told.std)],
      ["interval", interval + (told.interval && told.low !== undefined ? ` (${told.interval})` : "")],
    );
  if (told.paper)
    lines.push(
      ["the paper's", `${told.paper.value}${told.paper.std === null ? "" : ` \u00b1 ${told.paper.std}`} (${told.paper.from})`],
      ["difference", told.difference === undefined ? "" : shortNumber(told.difference)],
      ["verdict", told.verdict || ""],
    );
  lines.push(...(told.more || []));
  const records = told.records || [];
  lines.push(...ofRecords(records));
  if (!records.length)
    lines.push(
      ["n", told.n ? `${told.n} images` : ""],
      ["judge", told.judge || ""],
      ["its weights, sha256", told.judge_sha256 || ""],
      ["looks at", told.features || ""],
    );
  lines.push(["from", told.file]);
  return [told.study ? `${told.of} (${told.study})` : told.of, lines];
}

function linesOfRecord(place) {
  const read = (column) => recordValue(column, place);
  const [low, high] = [read("low"), read("high")];
  const lines = [
    ["metric", [read("metric"), DATA.metrics[read("metric")]].filter(Boolean).join(": ")],
    ["prompts", read("prompts") ? `${read("prompts")}: ${promptsTitle(read("prompts"))}` : ""],
    ["forgotten", targetTitle(read("study"), read("target"))],
    ["value", fullNumber(read("value"))],
    ["interval", low === null ? "none" : `${shortNumber(low)} to ${shortNumber(high)} (${read("interval")})`],
    ["control", read("control") === null ? "" : `${shortNumber(read("control"))} (two sets of real images${read("control_n") ? `, ${read("control_n")} in the smaller` : ""})`],
    ...ofRecords([place]),
  ];
  return [`${read("variant")} (${read("study")})`, lines];
}

function showProtocol(target) {
  const button = target.closest("td")?.querySelector("button.number") || target;
  const { number, record } = target.dataset;
  const [title, lines] = number === undefined ? linesOfRecord(Number(record)) : linesOfNumber(DATA.numbers[Number(number)]);
  const list = make("dl");
  for (const [name, words] of lines) if (words) list.append(make("dt", { textContent: name }), make("dd", { textContent: words }));
  $("protocol-told").replaceChildren(make("strong", { textContent: title }), list);
  hideProtocol();
  shownFor = button;
  button.setAttribute("aria-describedby", "protocol-told");
  panel.hidden = false;
  putNear(target.getBoundingClientRect());
}

/** Below, above or beside the number, never over it where there is room. */
function putNear(place) {
  const [width, height, gap] = [panel.offsetWidth, panel.offsetHeight, 6];
  const within = (wanted, size, all) => Math.max(8, Math.min(wanted, all - size - 8));
  let left = within(place.left, width, innerWidth);
  let top = place.bottom + gap;
  if (top + height > innerHeight - 8) {
    if (place.top - gap - height > 8) top = place.top - gap - height;
    else {
      top = within(place.top, height, innerHeight);
      left = place.right + gap + width < innerWidth - 8 ? place.right + gap : within(place.left - gap - width, width, innerWidth);
    }
  }
  panel.style.left = `${left}px`;
  panel.style.top = `${top}px`;
}

function hideProtocol() {
  clearTimeout(wait);
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
  panel.hidden = true;
  panel.classList.remove("pinned");
  pinned = false;
}

const numberAt = (event) => event.target.closest?.("[data-number], [data-record]");

document.addEventListener("pointerover", (event) => {
  if (pinned || event.pointerType === "touch") return;
  const target = numberAt(event);
  clearTimeout(wait);
  if (target) wait = setTimeout(() => showProtocol(target), 120);
  else if (shownFor && !panel.contains(event.target) && document.activeElement !== shownFor) wait = setTimeout(hideProtocol, 200);
});
document.addEventListener("focusin", (event) => {
  if (panel.contains(event.target)) return;
  const target = numberAt(event);
  if (target?.matches("button:focus-visible")) showProtocol(target);
  else if (!pinned) hideProtocol();
});
document.addEventListener("click", (event) => {
  const target = numberAt(event);
  if (target) {
    const again = pinned && shownFor === (target.closest("td")?.querySelector("button.number") || target);
    if (again) return hideProtocol();
    showProtocol(target);
    pinned = true;
    panel.classList.add("pinned");
    if (event.detail === 0) $("protocol-close").focus({ preventScroll: true }); // by keyboard: go in
  } else if (!panel.contains(event.target)) hideProtocol();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || panel.hidden) return;
  const button = shownFor;
  const inside = panel.contains(document.activeElement);
  if (inside) button?.focus({ preventScroll: true });
  hideProtocol(); // last: that focus has shown it again
});
$("protocol-close").addEventListener("click", () => {
  shownFor?.focus({ preventScroll: true });
  hideProtocol();
});
addEventListener("scroll", () => { if (!pinned && !panel.hidden && document.activeElement !== shownFor) hideProtocol(); }, { passive: true });
