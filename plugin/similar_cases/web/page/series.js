// One series: where it stands, its regions, and the ten cases most similar to it or to one of its regions.

import { hurry, oneSeries, repeat, retry, similar, status } from "./client.js";
import { announce, element, facts, show } from "./dom.js";
import { picture } from "./picture.js";
import * as say from "./strings.js";

const { AUTHORS, PARTS, SEXES, STATES, WORDS } = say;
const PAUSE = 2000;
const FINAL = ["indexed", "refused", "failed"];

/** Fill `main` with one series, and follow it until it stands still. */
export async function showSeries(main, study, series) {
  const top = element("section", { "aria-labelledby": "series-title" });
  const answers = element("section", { "aria-labelledby": "similar-title" });
  show(main, top, answers);
  show(top, element("p", { class: "quiet" }, WORDS.loading));
  const view = { study, series, links: null, asked: false, last: "" };
  const follow = () => repeat(() => update(view, top, answers, follow), PAUSE);
  follow();
}

/** Return false when the series stands still. */
async function update(view, top, answers, follow) {
  try {
    view.links ??= (await status()).links;
    const row = await oneSeries(view.series);
    const fresh = JSON.stringify(row);
    if (fresh !== view.last) {
      if (view.last && JSON.parse(view.last).state !== row.state) announce(say.stateNow(STATES[row.state]));
      view.last = fresh;
      show(top, seriesHead(view, row, follow), seriesState(row), regions(view, row, answers));
    }
    if (row.state === "indexed" && !view.asked) {
      view.asked = true;
      findSimilar(view, answers, firstQuestion(row));
    }
    return !FINAL.includes(row.state);
  } catch (error) {
    show(top, heading(WORDS.series), trouble(error.status === 404 ? WORDS.unknownSeries : error.message || WORDS.workerAway));
    view.last = "";
    return true;
  }
}

const heading = (text) => element("h1", { id: "series-title" }, text);
const trouble = (text) => element("p", { class: "trouble", role: "alert" }, text);
const firstQuestion = (row) => row.cases.find((found) => found.region) || row.cases[0];

function seriesHead(view, row, follow) {
  const about = row.cases[0] || {};
  const title = [row.modality, about.series_description || about.study_description].filter(Boolean).join(" · ");
  const again = (act) => async (event) => {
    event.target.disabled = true;
    await act(view.series).catch((error) => announce(error.message || WORDS.workerAway));
    view.asked = false;
    view.last = "";
    follow();
  };
  return element(
    "div",
    { class: "head" },
    heading(title || WORDS.series),
    element("span", { class: `state ${row.state}` }, STATES[row.state] || row.state || ""),
    ["failed", "refused"].includes(row.state) && element("button", { type: "button", onclick: again(retry) }, WORDS.retry),
    row.state === "waiting" && element("button", { type: "button", onclick: again(hurry) }, WORDS.hurry),
    openLink(view.links, row.orthanc_id),
  );
}

function openLink(links, orthancId) {
  if (!orthancId) return null;
  return element("a", { href: `${links.explorer}#series?uuid=${encodeURIComponent(orthancId)}` }, WORDS.openInOrthanc);
}

function seriesState(row) {
  const about = row.cases[0] || {};
  const timings = Object.entries(row.timings || {}).map(([step, value]) => `${step} ${say.seconds(value)}`);
  return facts([
    [WORDS.reason, row.reason],
    [WORDS.state, row.state === "waiting" && row.place !== undefined ? say.placeInQueue(row.place) : ""],
    [WORDS.patient, [about.patient_id, person(about)].filter(Boolean).join(" · ")],
    [WORDS.date, about.study_date ? say.date(about.study_date) : ""],
    [WORDS.study, about.study_description],
    [WORDS.notes, (row.notes || []).join("; ")],
    [WORDS.timings, timings.join(" · ")],
  ]);
}

const person = (about) =>
  [SEXES[about.patient_sex], about.patient_age_years !== undefined ? say.years(about.patient_age_years) : ""]
    .filter(Boolean)
    .join(", ");

function regions(view, row, answers) {
  if (row.state !== "indexed") return null;
  const several = new Set(row.cases.map((found) => found.volume_number)).size > 1;
  const choices = row.cases.map((found) =>
    element(
      "button",
      { type: "button", class: "choice", "data-case": found.case, "aria-pressed": "false", onclick: () => findSimilar(view, answers, found) },
      picture(found, view.links),
      element("span", {}, nameOf(found, several)),
    ),
  );
  const without = row.cases.some((found) => found.region) ? null : element("p", { class: "quiet" }, WORDS.noRegions);
  return [element("h2", {}, WORDS.regions), without, element("div", { class: "choices" }, choices)];
}

function nameOf(found, several) {
  const region = found.region;
  const words = region
    ? [region.label || region.finding?.meaning || WORDS.regions, say.millilitres(region.volume_ml), AUTHORS[region.authorship]]
    : [WORDS.wholeSeries];
  if (several) words.push(found.volume_label || say.volumeNumber(found.volume_number));
  return words.filter(Boolean).join(" · ");
}

async function findSimilar(view, answers, asked) {
  if (!asked) return;
  for (const choice of document.querySelectorAll("[data-case]")) {
    choice.setAttribute("aria-pressed", String(choice.dataset.case === asked.case));
  }
  const title = element("h2", { id: "similar-title" }, WORDS.similar);
  show(answers, title, element("p", { class: "quiet" }, WORDS.searching));
  const question = { limit: 10, "volume-number": asked.volume_number };
  if (asked.region) question["tracking-uid"] = asked.region.tracking_uid;
  view.question = question;
  try {
    const answer = await similar(view.study, view.series, question);
    if (view.question !== question) return;
    const cases = answer?.cases || [];
    announce(say.foundMany(cases.length));
    if (!cases.length) return show(answers, title, element("p", { class: "quiet" }, WORDS.noSimilar));
    const compared = element("p", { class: "quiet" }, say.candidates(answer.candidates));
    show(answers, title, compared, element("ol", { class: "cards" }, cases.map((found) => card(found, view.links))));
  } catch (error) {
    show(answers, title, trouble(error.message || WORDS.workerAway));
  }
}

function card(found, links) {
  const region = found.region || {};
  const title = [found.modality, person(found), say.date(found.study_date)].filter(Boolean).join(" · ");
  const here = `?${new URLSearchParams({ StudyInstanceUIDs: found.study, SeriesInstanceUIDs: found.series })}`;
  return element(
    "li",
    { class: "card" },
    picture(found, links),
    element(
      "div",
      {},
      element("h3", {}, `${found.rank}. ${title}`),
      facts([
        [WORDS.finding, region.label || region.finding?.meaning],
        [WORDS.site, region.finding_site?.meaning || found.body_part_examined],
        [WORDS.size, region.volume_ml !== undefined ? say.millilitres(region.volume_ml) : ""],
        [WORDS.description, [found.study_description, found.series_description].filter(Boolean).join(" · ")],
        [WORDS.patient, found.patient_id],
      ]),
      scores(found),
      element("ul", { class: "reasons", "aria-label": WORDS.reasons }, found.reasons.map((reason) => element("li", {}, reason))),
      element("p", { class: "links" }, element("a", { href: here }, WORDS.thisPage), openLink(links, found.orthanc_id)),
    ),
  );
}

function scores(found) {
  const line = (name, value) =>
    element(
      "label",
      { class: "score" },
      element("span", {}, name),
      element("meter", { min: 0, max: 1, value }, say.percent(value)),
      element("span", { class: "number" }, say.percent(value)),
    );
  return element(
    "div",
    { class: "scores" },
    line(WORDS.score, found.score),
    found.parts.map((part) => line(PARTS[part.name] || part.name, part.value)),
  );
}
