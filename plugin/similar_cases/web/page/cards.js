// The answers: ten cards, each with its key slice at the question's window and scale, its score and its reasons.

import { pictureOf } from "./client.js";
import { element, facts } from "./dom.js";
import { carried, presets, table } from "./grey.js";
import { extentOf, planeMask, section } from "./mask.js";
import * as say from "./strings.js";
import { INKS, stroke } from "./view.js";
import { voxelsOf } from "./volume.js";

const { AUTHORS, PARTS, SEXES, WORDS } = say;
const PLANE = { name: "picture", axis: 0, across: { axis: 2, flip: false }, down: { axis: 1, flip: false } };
const SIDE = 176;
/** Reasons on a card; the others are one press away. */
const SHOWN = 3;
const MATCHES = 3;

/**
 * Make a card. `context`: {links, viewers, verdict, field (mm), window() → {window, unit, range} or null,
 * does: {compare(found), judge(found, verdict), open(found)}}.
 */
export function card(found, context) {
  const picture = keyPicture(found, context);
  const title = [found.modality, person(found), say.date(found.study_date)].filter(Boolean).join(" · ");
  const region = found.region || {};
  const name = `${found.rank}. ${title}`;
  return {
    picture,
    root: element(
      "li",
      { class: "card", "data-case": found.case },
      element(
        "button",
        { type: "button", class: "open", "aria-label": context.does.judge ? say.openBeside(name) : say.findLike(name), onclick: () => context.does.compare(found) },
        picture.canvas,
      ),
      element(
        "div",
        { class: "card-text" },
        element("div", { class: "card-head" }, element("h3", {}, name), context.does.judge && judge(found, context)),
        element("p", { class: "finding" }, say.findingOf(region, found)),
        scores(found),
        reasonList(reasonsOf(found).slice(0, SHOWN)),
        found.certainty && element("p", { class: "quiet sure" }, say.sureOf(found.certainty)),
        more(found, region, context),
        element("div", { class: "acts" }, viewerLinks(found, context)),
      ),
    ),
  };
}

export const person = (about) =>
  [SEXES[about.patient_sex], about.patient_age_years !== undefined ? say.years(about.patient_age_years) : ""]
    .filter(Boolean)
    .join(", ");

const reasonList = (reasons) =>
  reasons.length > 0 && element("ul", { class: "reasons", "aria-label": WORDS.reasons }, reasons.map((reason) => element("li", {}, reason)));

/** What the bars, and the line on chance, do not say already. */
const reasonsOf = (found) =>
  found.reasons.filter((reason) => !found.parts.some((part) => reason.toLowerCase().startsWith(`${part.name} agrees`)) && !(found.certainty && reason.includes("random pairs")));

function more(found, region, context) {
  return element(
    "details",
    { class: "more" },
    element("summary", {}, WORDS.more),
    reasonList(reasonsOf(found).slice(SHOWN)),
    facts([
      [WORDS.description, say.joined(found.study_description, found.series_description)],
      [WORDS.patient, found.patient_id],
      [WORDS.label, region.label],
      [WORDS.drawn, AUTHORS[region.authorship]],
      [WORDS.manufacturer, found.manufacturer],
    ]),
    element("div", { class: "acts" }, matches(found, context)),
    element("p", { class: "links" },
      element("a", { href: addressOf(found) }, WORDS.thisPage),
      found.orthanc_id && element("a", { href: `${context.links.explorer}#series?uuid=${encodeURIComponent(found.orthanc_id)}` }, WORDS.openInOrthanc)),
  );
}

export const addressOf = (found) =>
  `?${new URLSearchParams({ StudyInstanceUIDs: found.study, SeriesInstanceUIDs: found.series })}`;

function viewerLinks(found, { viewers, does }) {
  if (does.open) return element("button", { type: "button", "data-act": "open", "data-series": found.series, onclick: () => does.open(found) }, WORDS.openInViewer);
  return viewers.map(({ name, address }) =>
    element("a", { href: address(found), target: "_blank", rel: "noopener" }, say.openIn(name)));
}

/** Slices that matched: each opens beside the question, both on their own slice. */
function matches(found, { does }) {
  if (does.open) return null;
  return (found.matches || []).filter((one) => one.asked && one.similarity !== undefined).slice(0, MATCHES).map((match, at) =>
    element("button", { type: "button", class: "judge", "data-act": "match", onclick: () => does.compare(found, match) }, say.matchOf(at + 1, match.similarity)));
}

function judge(found, { verdict, does }) {
  const buttons = ["alike", "not_alike"].map((word) =>
    element("button", {
      type: "button",
      class: `judge ${word}`,
      "data-act": word,
      "aria-pressed": String(verdict(found) === word),
      onclick: async (event) => {
        const now = event.currentTarget.getAttribute("aria-pressed") === "true" ? null : word;
        if (await does.judge(found, now)) {
          buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.act === now)));
        }
      },
    }, say.VERDICTS[word]));
  return element("div", { class: "group", role: "group", "aria-label": say.judgeOf(found.rank) }, buttons);
}

function scores(found) {
  const line = (name, value, isTotal) =>
    element(
      "div",
      { class: isTotal ? "score total" : "score" },
      element("span", {}, name),
      element("meter", { min: 0, max: 1, value, "aria-label": name }),
      element("span", { class: "number" }, say.percent(value)),
    );
  return element(
    "div",
    { class: "scores" },
    line(WORDS.score, found.score, true),
    found.parts.map((part) => line(PARTS[part.name] || part.name, part.value, false)),
  );
}

/** The key slice on a canvas; `draw()` again after the window has changed. */
function keyPicture(found, context) {
  const canvas = element("canvas", { class: "key-picture", width: SIDE * 2, height: SIDE * 2, role: "img", "aria-label": alternative(found) });
  const picture = { canvas, told: null, draw: () => picture.told && paint(canvas, picture, context) };
  picture.came = pictureOf(found.case, found.region ? context.field : 0, found.region ? null : bestFrame(found))
    .then((answer) => {
      picture.told = answer;
      picture.values = voxelsOf(answer.voxels);
      picture.mask = answer.runs ? planeMask(answer.runs, answer.rows, answer.columns) : null;
      picture.draw();
    })
    .catch(() => canvas.classList.add("missing"));
  return picture;
}

/** The frame that matches best, where the answer says so. */
const bestFrame = (found) => found.matches?.[0]?.found || null;

const alternative = (found) =>
  [WORDS.keySlice, found.modality, found.region?.finding?.meaning].filter(Boolean).join(", ");

function paint(canvas, picture, context) {
  const { told: about, values, mask } = picture;
  const { rows, columns, spacing_mm: [down, across] } = about;
  const asked = context.window();
  const window = asked ? carried(asked.window, asked, about) : presets(about.unit, about.range)[0];
  const greys = table({ slope: about.slope, intercept: about.intercept }, window);
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = greys[values[at] + 32768];
  const buffer = document.createElement("canvas");
  Object.assign(buffer, { width: columns, height: rows });
  buffer.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  const field = mask ? context.field : Math.max(rows * down, columns * across);
  const scale = canvas.width / field;
  const [cx, cy] = mask ? middleOf(mask) : [columns / 2, rows / 2];
  const origin = [canvas.width / 2 - cx * across * scale, canvas.height / 2 - cy * down * scale];
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(buffer, ...origin, columns * across * scale, rows * down * scale);
  const found = mask && section(mask, PLANE, 0, [1, rows, columns]);
  if (found) stroke(pen, found, INKS.answer, origin, [across * scale, down * scale], 3);
  ruler(pen, canvas, scale);
  canvas.dataset.drawn = "yes";
}

/** The middle of what is inside, in pixels. */
function middleOf(mask) {
  const [[left, top], [right, bottom]] = extentOf(mask);
  const [, rows, columns] = mask.size;
  return right < 0 ? [columns / 2, rows / 2] : [(left + right + 1) / 2, (top + bottom + 1) / 2];
}

function ruler(pen, canvas, scale) {
  const length = [100, 50, 20, 10, 5].find((mm) => mm * scale < canvas.width * 0.45) || 5;
  const [x, y] = [12, canvas.height - 14];
  for (const [ink, width] of [["rgba(0, 0, 0, 0.7)", 6], ["#d5dde2", 2.5]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x + length * scale, y);
    pen.stroke();
  }
  pen.font = "600 24px system-ui, sans-serif"; // a narrow card shows it at a third
  pen.lineWidth = 4;
  pen.strokeStyle = "rgba(0, 0, 0, 0.8)";
  pen.strokeText(say.ruler(length), x, y - 9);
  pen.fillStyle = "#d5dde2";
  pen.fillText(say.ruler(length), x, y - 9);
}
