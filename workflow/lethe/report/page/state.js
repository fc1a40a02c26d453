// What the reader has chosen lives in the address's fragment, so that a link shows the same view.
const KEYS = ["study", "target", "method", "group", "set", "item", "left", "right", "view", "metric", "prompts"];
const listeners = [];
let state = readState();

function readState() {
  const fragment = location.hash.slice(1);
  const words = new URLSearchParams(fragment.includes("=") ? fragment : "");
  const read = Object.fromEntries(KEYS.map((key) => [key, words.get(key) || ""]));
  // What the page does not know is left out.
  if (!Object.hasOwn(DATA.filters.studies, read.study)) read.study = "";
  const known = Object.entries(DATA.filters.studies).filter(([study]) => !read.study || study === read.study);
  if (!known.some(([, targets]) => Object.hasOwn(targets, read.target))) read.target = "";
  if (!Object.hasOwn(DATA.filters.methods, read.method)) read.method = "";
  return read;
}

/** Changes some of what is chosen; every part of the page follows. */
function choose(changes) {
  Object.assign(state, changes);
  const words = new URLSearchParams(KEYS.filter((key) => state[key]).map((key) => [key, state[key]]));
  const fragment = words.toString();
  history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  listeners.forEach((listener) => listener());
}

window.addEventListener("hashchange", () => {
  if (location.hash.includes("=") || location.hash === "") {
    state = readState();
    listeners.forEach((listener) => listener());
  }
});

// A link to a part scrolls there and keeps what is chosen.
document.querySelectorAll('header a[href^="#"], a.skip').forEach((link) =>
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const part = document.querySelector(link.getAttribute("href"));
    part.scrollIntoView();
    part.querySelector("h1, h2").focus({ preventScroll: true });
  }),
);

function showFilters() {
  const studies = DATA.filters.studies;
  choices($("filter-study"), [["", "all"], ...Object.keys(studies).map((name) => [name, name])], state.study);
  const targets = new Map();
  for (const [study, names] of Object.entries(studies))
    if (!state.study || study === state.study) for (const [name, title] of Object.entries(names)) targets.set(name, title);
  state.target = choices($("filter-target"), [["", "all"], ...targets], state.target);
  choices($("filter-method"), [["", "all"], ...Object.entries(DATA.filters.methods)], state.method);
  const filtered = Boolean(state.study || state.target || state.method);
  $("filter-reset").hidden = !filtered;
  const fits = (of, wanted) => !wanted || of === undefined || of.split(" ").includes(wanted);
  document.querySelectorAll("[data-study], [data-target], [data-method]").forEach((part) => {
    const { study, target, method } = part.dataset;
    part.hidden = !(fits(study, state.study) && fits(target, state.target) && fits(method, state.method));
  });
  $("filter-told").textContent = filtered ? "Filtered." : "";
}
listeners.push(showFilters);

for (const key of ["study", "target", "method"])
  $(`filter-${key}`).addEventListener("change", (event) => choose({ [key]: event.target.value }));
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", (event) => {
  event.preventDefault();
  choose({ study: "", target: "", method: "" });
  $("filter-study").focus();
});
