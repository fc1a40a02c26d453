// Two models side by side or under a slider, and all models below: the same prompt and seed everywhere.
const revealed = new Set(); // targets whose blurred images the reader has asked for; not kept in the address
let group = null;
const slider = { at: 50 };

const keyOf = (one) => `${one.study}/${one.target}`;

function showCompare() {
  const groups = DATA.pictures.filter(
    (one) => (!state.study || one.study === state.study) && (!state.target || one.target === state.target),
  );
  $("compare").hidden = !groups.length;
  $("compare-none").hidden = Boolean(groups.length);
  if (!groups.length) return;
  const key = choices($("compare-group"), groups.map((one) => [keyOf(one), `${one.study}: ${one.title}`]), state.group || preferred(groups));
  group = groups.find((one) => keyOf(one) === key);
  const set = choices($("compare-set"), group.sets.map((one) => [one.name, promptsTitle(one.name)]), state.set);
  const items = group.sets.find((one) => one.name === set).items;
  const item = choices($("compare-item"), items.map((one, index) => [`${index}`, `${one.words} (seed ${one.seed})`]), state.item);
  $("compare-previous").disabled = $("compare-next").disabled = items.length < 2;
  const models = group.models.map((model) => [model.variant, model.title]);
  const left = choices($("compare-left"), models, state.left);
  const right = choices($("compare-right"), models, state.right || suggested());
  const view = state.view === "slider" ? "slider" : "side";
  document.querySelectorAll('input[name="view"]').forEach((input) => (input.checked = input.value === view));

  const veiled = group.blur && !revealed.has(keyOf(group));
  $("veil").hidden = !group.blur;
  $("veil-button").textContent = veiled ? `Show the images of ${group.title}` : `Blur the images of ${group.title}`;
  $("veil-button").setAttribute("aria-pressed", String(!veiled));
  $("compare").classList.toggle("veiled", veiled);
  $("compare").classList.toggle("exact", group.height <= 128);

  const place = placeOf(set, Number(item));
  const told = items[Number(item)];
  const [first, second] = [picture(left, place, told), picture(right, place, told)];
  $("compare-stage").replaceChildren(view === "slider" ? sliderOf(first, second) : sideBySide(first, second));
  $("compare-strip").replaceChildren(...group.models.map((model) => thumbnail(model, place, told, right)));
}

/** The first text study shows more than digits do. */
function preferred(groups) {
  return keyOf(groups.find((one) => !one.sets.some((set) => set.name === "forget_class")) || groups[0]);
}

/** What stands at the right if nothing is chosen: the method of the filter, RGD, or the last model. */
function suggested() {
  const models = group.models;
  const found = models.find((model) => state.method && model.method === state.method) || models.find((model) => model.method === "rgd");
  return (found || models[Math.min(1, models.length - 1)]).variant;
}

/** Where an item's image lies in the list of each model. */
function placeOf(name, item) {
  let before = 0;
  for (const set of group.sets) {
    if (set.name === name) return before + item;
    before += set.items.length;
  }
  return 0;
}

function picture(variant, place, told) {
  const index = group.models.findIndex((model) => model.variant === variant);
  const title = group.models[index].title;
  const alt = `${title}: ${told.words}, seed ${told.seed}`;
  return { title, image: make("img", { src: `data:image/webp;base64,${group.images[index][place]}`, alt, draggable: false }) };
}

function sideBySide(first, second) {
  const framed = (one) => make("figure", {}, make("div", { className: "frame" }, one.image), make("figcaption", { textContent: one.title }));
  return make("div", { className: "side" }, framed(first), framed(second));
}

function sliderOf(first, second) {
  const frame = make("div", { className: "frame slider" }, second.image, first.image, make("span", { className: "line" }));
  first.image.className = "over";
  const range = make("input", { type: "range", min: 0, max: 100, step: 1, id: "compare-range", "aria-label": `How much of ${first.title} is shown, the rest is ${second.title}` });
  const move = () => {
    slider.at = Number(range.value);
    frame.style.setProperty("--at", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${first.title}, ${100 - range.value} % ${second.title}`);
  };
  range.value = slider.at;
  range.addEventListener("input", move);
  const drag = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const box = frame.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    move();
  };
  frame.addEventListener("pointerdown", drag);
  frame.addEventListener("pointermove", drag);
  move();
  const titles = make("div", { className: "ends" }, make("span", { textContent: `◀ ${first.title}` }), make("span", { textContent: `${second.title} ▶` }));
  return make("div", { className: "sliding" }, frame, range, titles);
}

function thumbnail(model, place, told, right) {
  const { image } = picture(model.variant, place, told);
  const button = make("button", { type: "button", "aria-pressed": String(model.variant === right) }, make("span", { className: "frame" }, image), make("span", { textContent: model.title }));
  button.dataset.variant = model.variant;
  button.addEventListener("click", () => {
    choose({ right: model.variant });
    $("compare-strip").querySelector(`[data-variant="${CSS.escape(model.variant)}"]`)?.focus();
  });
  return button;
}

listeners.push(showCompare);
$("compare-group").addEventListener("change", (event) => choose({ group: event.target.value, set: "", item: "", left: "", right: "" }));
$("compare-set").addEventListener("change", (event) => choose({ set: event.target.value, item: "" }));
for (const key of ["item", "left", "right"]) $(`compare-${key}`).addEventListener("change", (event) => choose({ [key]: event.target.value }));
document.querySelectorAll('input[name="view"]').forEach((input) => input.addEventListener("change", () => choose({ view: input.value })));
for (const [id, step] of [["compare-previous", -1], ["compare-next", 1]])
  $(id).addEventListener("click", () => {
    const count = $("compare-item").options.length;
    choose({ item: `${(Number($("compare-item").value) + step + count) % count}` });
  });
$("veil-button").addEventListener("click", () => {
  const key = keyOf(group);
  if (!revealed.delete(key)) revealed.add(key);
  showCompare();
});
