// The page inside a viewer's panel. What viewer and page tell each other stands in plugin/docs/viewers.md.

import { announce, element, facts, show } from "./dom.js";
import { picture } from "./picture.js";
import * as say from "./strings.js";

const { SEXES, WORDS } = say;
const UID = /^[0-9.]{1,64}$/;
const MOST_POINTS = 4096;
const LINKS = { dicomweb: "../dicom-web" };

const isUid = (value) => typeof value === "string" && UID.test(value);
const isPoint = (value) => Array.isArray(value) && value.length === 3 && value.every(Number.isFinite);

/** Answer the viewer that frames this page, beginning with the series of the address. */
export function showEmbedded(main, study, series) {
  document.body.classList.add("embedded");
  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== window.location.origin || source !== window.parent || source === window) return;
    if (data?.type === "similar-cases/find" && isQuestion(data)) answer(main, data);
  });
  tell({ type: "similar-cases/ready" });
  if (study && series) answer(main, { study, series, points: [] });
}

const tell = (message) => window.parent.postMessage(message, window.location.origin);

const isQuestion = ({ study, series, points }) =>
  isUid(study) && isUid(series) && Array.isArray(points) && points.length <= MOST_POINTS && points.every(isPoint);

let latest = null;

async function answer(main, question) {
  latest = question;
  show(main, title(question), element("p", { class: "quiet" }, WORDS.searching));
  const found = await asked(question).catch((error) => ({ error: error.message || WORDS.workerAway }));
  if (latest !== question) return;
  const cases = found?.cases || [];
  if (found?.error) return show(main, title(question), element("p", { class: "trouble", role: "alert" }, found.error));
  announce(say.foundMany(cases.length));
  const about = [found?.segmented && say.millilitres(found.segmented.volume_ml), found && say.candidates(found.candidates)];
  show(
    main,
    title(question),
    element("p", { class: "quiet" }, cases.length ? about.filter(Boolean).join(" · ") : WORDS.noSimilar),
    element("ol", { class: "cards" }, cases.map(card)),
  );
}

const title = ({ points, tool }) =>
  element("h1", {}, `${WORDS.similar}: ${points.length ? tool || WORDS.measurement : WORDS.wholeSeries}`);

async function asked({ study, series, points }) {
  const response = await fetch("similar", {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    cache: "no-store",
    body: JSON.stringify({ study, series, limit: 10, ...hintsOf(points) }),
  });
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || response.statusText);
  return body;
}

/** The points' middle, and round it a cube as wide as the largest distance between two of them; LPS mm. */
export function hintsOf(points) {
  if (!points.length) return {};
  const axes = [0, 1, 2];
  const lower = axes.map((axis) => Math.min(...points.map((point) => point[axis])));
  const upper = axes.map((axis) => Math.max(...points.map((point) => point[axis])));
  const middle = axes.map((axis) => (lower[axis] + upper[axis]) / 2);
  const half = widest(points) / 2;
  const box = { lower_lps: middle.map((value) => value - half), upper_lps: middle.map((value) => value + half) };
  return { points: [{ lps: middle }], ...(half > 0 ? { box } : {}) };
}

function widest(points) {
  let most = 0;
  for (const [place, one] of points.entries()) {
    for (const other of points.slice(place + 1)) most = Math.max(most, Math.hypot(...one.map((at, axis) => at - other[axis])));
  }
  return most;
}

function card(found) {
  const region = found.region || {};
  const age = found.patient_age_years === undefined ? "" : say.years(found.patient_age_years);
  const heading = [found.modality, SEXES[found.patient_sex], age, say.date(found.study_date)].filter(Boolean).join(" · ");
  const { instance, frame } = found.key_frame;
  const open = () =>
    tell({ type: "similar-cases/open", study: found.study, series: found.series, sop_instance_uid: instance, frame });
  return element(
    "li",
    { class: "card" },
    picture(found, LINKS),
    element(
      "div",
      {},
      element("h2", {}, `${found.rank}. ${heading}`),
      facts([
        [WORDS.score, say.percent(found.score)],
        [WORDS.patient, found.patient_id],
        [WORDS.finding, region.label || region.finding?.meaning],
        [WORDS.size, region.volume_ml === undefined ? "" : say.millilitres(region.volume_ml)],
      ]),
      element("button", { type: "button", onclick: open, "data-series": found.series }, WORDS.openBeside),
    ),
    element("ul", { class: "reasons", "aria-label": WORDS.reasons }, found.reasons.map((why) => element("li", {}, why))),
  );
}
