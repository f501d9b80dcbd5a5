// Without a series in the address: the archive's series by state, counts that move, and what to choose from.

import { listSeries, repeat, status } from "./client.js";
import { element, show } from "./dom.js";
import { LINKED, STATES, WORDS, attempts, date, ofMany, placeInQueue, seconds } from "./strings.js";

const PAGE = 50;
const PAUSE = 2000;

/** Fill `main` with the archive; `study` narrows it to one study. */
export function showArchive(main, study) {
  const view = { state: "", offset: 0, study, last: "" };
  const counts = element("nav", { class: "counts", "aria-label": WORDS.state });
  const table = element("div", { class: "scroll" });
  const trouble = element("p", { class: "trouble", hidden: true, role: "alert" });
  show(main, element("h1", {}, study ? WORDS.study : WORDS.archive), trouble, counts, table);
  const refresh = async () => {
    try {
      await update(view, counts, table, refresh);
      trouble.hidden = true;
    } catch (error) {
      trouble.hidden = false;
      trouble.textContent = error.message || WORDS.workerAway;
    }
  };
  repeat(refresh, PAUSE);
}

async function update(view, counts, table, refresh) {
  // counts are of images and annotations, so the table shows both
  const parameters = { limit: PAGE, offset: view.offset, annotations: true };
  if (view.state) parameters.state = view.state;
  if (view.study) parameters.study = view.study;
  const [now, page] = await Promise.all([status(), listSeries(parameters)]);
  const fresh = JSON.stringify([now.states, page, view.state]);
  if (fresh === view.last) return;
  view.last = fresh;
  const choose = (state) => () => {
    Object.assign(view, { state, offset: 0 });
    refresh();
  };
  keepFocus(counts, () => show(counts, countButtons(now.states, view.state, choose)));
  const turn = (step) => () => {
    view.offset += step;
    refresh();
  };
  keepFocus(table, () => show(table, page.series.length ? seriesTable(page) : empty(view), pages(view, page, turn)));
}

/** Redraw without taking the keyboard from whoever uses it. */
function keepFocus(parent, redraw) {
  const held = parent.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  redraw();
  if (held) parent.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}

const empty = (view) => element("p", { class: "quiet" }, view.state ? WORDS.noSeriesInState : WORDS.noSeries);

function countButtons(states, chosen, choose) {
  const total = Object.values(states).reduce((sum, count) => sum + count, 0);
  const button = (state, word, count) =>
    element(
      "button",
      { type: "button", class: `count ${state}`, "data-key": `state-${state}`, "aria-pressed": String(state === chosen), onclick: choose(state) },
      element("strong", {}, String(count)),
      ` ${word}`,
    );
  return [
    button("", WORDS.all, total),
    ...Object.entries(STATES).map(([state, word]) => button(state, word, states[state] || 0)),
  ];
}

function seriesTable(page) {
  const head = [WORDS.state, WORDS.modality, WORDS.description, WORDS.date, WORDS.instances, WORDS.reasonOrTime, ""];
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, head.map((word) => element("th", { scope: "col" }, word)))),
    element("tbody", {}, page.series.map(seriesLine)),
  );
}

function seriesLine(row) {
  const about = row.about || {};
  const address = `?${new URLSearchParams({ StudyInstanceUIDs: row.study, SeriesInstanceUIDs: row.series })}`;
  const said = [about.study_description, about.series_description].filter(Boolean).join(" · ");
  return element(
    "tr",
    {},
    element("td", {}, element("span", { class: `state ${row.state}` }, stateOf(row))),
    element("td", {}, row.modality || ""),
    element("td", {}, said || element("span", { class: "uid" }, row.series)),
    element("td", {}, about.study_date ? date(about.study_date) : ""),
    element("td", { class: "number" }, String(row.instances)),
    element("td", {}, whyOf(row)),
    element("td", {}, row.kind === "image" && element("a", { href: address, "data-key": row.series }, WORDS.open)),
  );
}

const stateOf = (row) => (row.kind === "annotation" && row.state === "indexed" ? LINKED : STATES[row.state] || row.state);

/** The reason, the place in the queue, or the time it took. */
function whyOf(row) {
  if (row.state === "waiting" && row.place !== undefined) {
    return [placeInQueue(row.place), row.reason].filter(Boolean).join(" · ");
  }
  if (row.state === "failed") return [row.reason, attempts(row.attempts)].filter(Boolean).join(" · ");
  if (row.state === "indexed" && row.seconds !== undefined) return seconds(row.seconds);
  return row.reason || "";
}

function pages(view, page, turn) {
  if (page.total <= PAGE && view.offset === 0) return null;
  const last = view.offset + page.series.length;
  return element(
    "nav",
    { class: "pages" },
    element("button", { type: "button", "data-key": "back", disabled: view.offset === 0, onclick: turn(-PAGE) }, WORDS.back),
    ofMany(`${view.offset + 1}–${last}`, page.total),
    element("button", { type: "button", "data-key": "further", disabled: last >= page.total, onclick: turn(PAGE) }, WORDS.further),
  );
}
