// Every record, as filtered: a hundred at a time.
const STEP = 100;
let limit = STEP;

/** The records that the filters leave. */
function matching() {
  const places = [];
  for (let place = 0; place < RECORD_COUNT; place++) {
    const fits = (column, wanted) => !wanted || recordValue(column, place) === wanted;
    if (
      fits("study", state.study) && fits("target", state.target) && fits("method", state.method) &&
      fits("metric", state.metric) && fits("prompts", state.prompts)
    ) places.push(place);
  }
  return places;
}

function showNumbers() {
  state.metric = choices($("numbers-metric"), [["", "all"], ...RECORDS.metric.words.map((word) => [word, word])], state.metric);
  const sets = RECORDS.prompts.words.filter((word) => word);
  state.prompts = choices($("numbers-prompts"), [["", "all"], ...sets.map((name) => [name, promptsTitle(name)])], state.prompts);
  const places = matching();
  $("numbers-body").replaceChildren(...places.slice(0, limit).map(numbersRow));
  $("numbers-told").textContent = `${places.length} of ${RECORD_COUNT} numbers${places.length > limit ? `, the first ${limit} shown` : ""}`;
  $("numbers-more").hidden = places.length <= limit;
}

function numbersRow(place) {
  const read = (column) => recordValue(column, place);
  const button = make("button", { type: "button", className: "number", textContent: shortNumber(read("value"), read("metric")) });
  button.dataset.record = place;
  const interval = read("low") === null ? "" : `${shortNumber(read("low"), read("metric"))} to ${shortNumber(read("high"), read("metric"))}`;
  const words = [read("target"), read("variant"), read("metric"), read("prompts") ? promptsTitle(read("prompts")) : ""];
  return make(
    "tr", {},
    make("th", { scope: "row", textContent: read("study") }),
    ...words.map((text) => make("td", { textContent: text })),
    make("td", { textContent: read("seed") }),
    make("td", {}, button),
    make("td", { textContent: interval }),
    make("td", { textContent: read("n") }),
  );
}

listeners.push(() => { limit = STEP; showNumbers(); });
for (const key of ["metric", "prompts"]) $(`numbers-${key}`).addEventListener("change", (event) => choose({ [key]: event.target.value }));
$("numbers-more").addEventListener("click", () => {
  const before = limit;
  limit += STEP;
  showNumbers();
  $("numbers-body").rows[before]?.querySelector("button").focus();
});

listeners.forEach((listener) => listener());
