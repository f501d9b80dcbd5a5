// Without a series in the address: the archive's series by state, counts that move, and what to choose from.

import { addressOf } from "./cards.js";
import { hurry, listSeries, repeat, retry, status } from "./client.js";
import { announce, element, facts, show } from "./dom.js";
import {
  LINKED, SPACES, STATES, WORDS, attempts, casesOf, date, doneOf, instances, joined, lastHour, ofMany, placeInQueue, roughly,
  seconds, triedAgain, troubleOf, vectors, workedFor,
} from "./strings.js";
import { wordSearch } from "./words.js";

const PAGE = 50;
const PAUSE = 2000;

/** Fill `main` with the archive; `study` narrows it to one study. */
export function showArchive(main, study) {
  const view = { state: "", offset: 0, study, last: "" };
  const counts = element("nav", { class: "counts", "aria-label": WORDS.state });
  const table = element("div", { class: "scroll" });
  const trouble = element("p", { class: "trouble", hidden: true, role: "alert" });
  const overview = element("div", { class: "overview" });
  show(main, element("h1", {}, study ? WORDS.study : WORDS.archive), trouble, overview, !study && wordSearch(), counts, table);
  const refresh = async () => {
    try {
      await update(view, { overview, counts, table }, refresh);
      trouble.hidden = true;
    } catch (error) {
      trouble.hidden = false;
      trouble.textContent = troubleOf(error);
    }
  };
  repeat(refresh, PAUSE);
}

async function update(view, { overview, counts, table }, refresh) {
  // counts are of images and annotations, so the table shows both
  const parameters = { limit: PAGE, offset: view.offset, annotations: true };
  if (view.state) parameters.state = view.state;
  if (view.study) parameters.study = view.study;
  const [now, page] = await Promise.all([status(), listSeries(parameters)]);
  showOverview(overview, now, page.series);
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
  keepFocus(table, () => show(table,
    view.state === "failed" && page.series.length > 1 && retryAll(page.series, refresh),
    page.series.length ? seriesTable(page, refresh) : empty(view), pages(view, page, turn)));
}

/** Redraw without taking the keyboard from whoever uses it. */
function keepFocus(parent, redraw) {
  const held = parent.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  redraw();
  if (held) parent.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
}

/** What is being worked on, how fast, by what, and how large the index is; `rows` tell of the series that changed last. */
function showOverview(place, now, rows) {
  const total = Object.values(now.states).reduce((sum, count) => sum + count, 0);
  const done = total - (now.states.waiting || 0) - (now.states.working || 0);
  const working = now.queue.working;
  if (!place.firstChild) {
    place.append(
      element("section", { class: "panel", "aria-label": WORDS.queue }, element("progress", { "aria-label": WORDS.done }), element("div", {})),
      element("section", { class: "panel", "aria-label": WORDS.models }, element("div", {})),
    );
  }
  const [queue, models] = place.children;
  Object.assign(queue.firstChild, { max: Math.max(total, 1), value: done });
  show(queue.lastChild, facts([
    [WORDS.queue, doneOf(done, total)],
    [WORDS.now, working.length ? working.map((job) => workOn(job, rows.find((row) => row.series === job.series))) : WORDS.nothingWorks],
    [WORDS.throughput, lastHour(now.last_hour.series, now.last_hour.seconds)],
    [WORDS.left, timeLeft(now)],
    [WORDS.cases, casesOf(now.cases)],
    [WORDS.results, String(now.results)],
  ]));
  const text = JSON.stringify([now.spaces, now.segmenter]);
  if (models.dataset.shown === text) return;
  models.dataset.shown = text;
  show(models.lastChild, facts([
    [WORDS.version, now.version],
    ...now.spaces.map((space) => [SPACES[space.level] || space.level, `${space.model} (${space.version}), ${vectors(space.vectors)}`]),
    [WORDS.segmenter, `${now.segmenter.name} ${now.segmenter.version}`],
    [WORDS.feedback, element("a", { href: "feedback?accept=text/csv", download: "feedback.csv" }, WORDS.feedbackCsv)],
  ]));
}

function workOn({ series, since }, row) {
  const what = row ? [row.modality, instances(row.instances)].filter(Boolean).join(", ") : "";
  return element("div", {},
    row?.kind === "image" ? element("a", { href: addressOf(row) }, what) : what, what && " ",
    element("span", { class: "uid" }, series), " ", element("span", { class: "number" }, workedFor(since)));
}

/** How long what waits will take, at the pace of the last hour; nothing where that is not known. */
function timeLeft({ states, last_hour: { series, seconds: spent } }) {
  const waits = (states.waiting || 0) + (states.working || 0);
  return waits && series ? roughly((waits * spent) / series) : "";
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

function seriesTable(page, refresh) {
  const head = [WORDS.state, WORDS.patient, WORDS.modality, WORDS.description, WORDS.date, WORDS.instances, WORDS.reasonOrTime, WORDS.act];
  return element(
    "table",
    { class: "list" },
    element("thead", {}, element("tr", {}, head.map((word) => element("th", { scope: "col" }, word)))),
    element("tbody", {}, page.series.map((row) => seriesLine(row, refresh))),
  );
}

function seriesLine(row, refresh) {
  const about = row.about || {};
  const said = joined(about.study_description, about.series_description);
  return element(
    "tr",
    {},
    element("td", {}, element("span", { class: `state ${row.state}` }, stateOf(row))),
    element("td", { class: "name" }, about.patient_id || ""),
    element("td", {}, row.modality || ""),
    element("td", { class: "long" }, said || element("span", { class: "uid" }, row.series)),
    element("td", { class: "short" }, about.study_date ? date(about.study_date) : ""),
    element("td", { class: "number" }, String(row.instances)),
    element("td", { class: "long" }, whyOf(row)),
    element("td", {}, element("div", { class: "acts" },
      row.kind === "image" && element("a", { href: addressOf(row), "data-key": row.series }, WORDS.open),
      actOf(row, refresh))),
  );
}

/** What a person can do about a series that is not done. */
function actOf(row, refresh) {
  const [word, call] = { waiting: [WORDS.hurry, hurry], failed: [WORDS.retry, retry], refused: [WORDS.retry, retry] }[row.state] || [];
  if (!word) return null;
  const act = async (event) => {
    event.target.disabled = true;
    await call(row.series).catch((error) => announce(troubleOf(error)));
    refresh();
  };
  return element("button", { type: "button", "data-key": `act-${row.series}`, "aria-label": `${word}: ${row.modality} ${row.series}`, onclick: act }, word);
}

function retryAll(rows, refresh) {
  const act = async (event) => {
    event.target.disabled = true;
    let done = 0;
    for (const row of rows) {
      await retry(row.series).then(() => { done += 1; }, (error) => announce(troubleOf(error)));
    }
    announce(triedAgain(done));
    refresh();
  };
  return element("button", { type: "button", "data-key": "retry-all", onclick: act }, WORDS.retryAll);
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
