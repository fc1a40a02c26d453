"use strict";
// What the page holds, and how it is looked up.
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/** An element with its properties and children; text is always text, never HTML. */
function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && !key.startsWith("aria-")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Fills a select with [value, words] pairs and chooses one of them. */
function choices(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, words]) => make("option", { value, textContent: words })));
  select.value = pairs.some(([value]) => value === chosen) ? chosen : (pairs[0] || [""])[0];
  select.disabled = pairs.length < 2;
  return select.value;
}

const RECORDS = DATA.records;
const RECORD_COUNT = RECORDS.value.length;
/** One column of one record. */
function recordValue(column, place) {
  const held = RECORDS[column];
  return held.words ? held.words[held.at[place]] : held[place];
}

/** As tables print it: three decimals, or four digits; counts of detections as they are. */
function shortNumber(value, metric = "") {
  if (value === null || value === undefined) return "";
  if (/^(detections$|count:)/.test(metric) && Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  const decimals = size < 10 ? 3 : Math.max(0, 3 - Math.floor(Math.log10(size)));
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

/** All digits that mean something: the last two of a double are rounding. */
const fullNumber = (value) => String(Number(value.toPrecision(13))).replace("-", "\u2212");
const promptsTitle = (name) => DATA.prompts[name] || name;
const targetTitle = (study, target) => (DATA.filters.studies[study] || {})[target] || target;
