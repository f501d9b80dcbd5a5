// One series: its images, its regions, and the ten cases most similar to what is asked about.

import { Answers } from "./answers.js";
import { person } from "./cards.js";
import { hurry, oneSeries, pictureOf, regionOf, repeat, retry } from "./client.js";
import { announce, element, facts, show } from "./dom.js";
import { promptsOf, viewerOf } from "./embedded.js";
import { Filters } from "./filters.js";
import { NO_REGION, Question, fieldOfPicture, outlined } from "./question.js";
import { Stage, afterDrawing } from "./stage.js";
import * as say from "./strings.js";
import { Wishes } from "./wishes.js";

const { AUTHORS, STATES, WORDS } = say;
const PAUSE = 2000;
const FINAL = ["indexed", "refused", "failed"];
/** At most so many known regions are outlined beside the one that is asked about. */
const OUTLINES = 24;
const MODALITIES = ["CT", "MR", "PT"];

/** Fill `main` with one series, and follow it until it stands still. */
export function showSeries(main, study, series, isEmbedded = false) {
  const page = new SeriesPage(main, study, series, isEmbedded);
  page.follow();
  return page;
}

class SeriesPage {
  constructor(main, study, series, isEmbedded) {
    Object.assign(this, { study, series, isEmbedded, row: null, last: "", region: null, outlines: new Map() });
    this.question = new Question({ study, series });
    this.stage = new Stage({
      point: (lps, positive) => this.pointed(lps, positive),
      box: (lower, upper) => this.boxed(lower, upper),
      undo: () => this.undo(),
      number: (number) => this.openVolume(number),
      opened: () => this.redraw(),
      whole: () => this.outlineOthers(),
      windowed: () => this.answers.redraw(),
      left: (found) => this.left(found),
      problem: (error) => this.trouble(this.imageTrouble, error),
    });
    const viewer = isEmbedded ? viewerOf((asked) => this.viewerAsks(asked)) : null;
    this.answers = new Answers({
      window: () => this.stage.scene.volume && { window: this.stage.scene.window, unit: this.stage.scene.volume.unit, range: this.stage.scene.volume.range },
      uid: () => this.askedUid(),
      body: () => this.question.body,
      compare: (found, match) => (viewer ? viewer.open(found) : this.compare(found, match)),
      open: viewer && ((found) => viewer.open(found)),
      judged: () => (this.wishes.chosen.examples ? this.askAgain() : this.press()),
    });
    this.filters = new Filters(() => this.askAgain());
    this.wishes = new Wishes({ changed: () => this.askAgain(), place: () => this.placeAsked(), examples: () => this.answers.judged(this.askedUid()) });
    this.head = element("div", { class: "head" });
    this.imageTrouble = element("p", { class: "trouble", role: "alert", hidden: true });
    this.standing = element("div", { class: "standing" });
    this.asked = element("div", { class: "asked", role: "status" });
    this.known = element("div", { class: "known", role: "group", "aria-label": WORDS.regions });
    this.side = element("section", { class: "side", "aria-labelledby": "similar-title" },
      element("h2", { id: "asked-title" }, WORDS.question), this.known, this.asked, this.wishes.root,
      element("div", { class: "head" }, element("h2", { id: "similar-title" }, WORDS.similar), this.answers.acts),
      this.filters.root, this.answers.root);
    this.desk = element("div", { class: "desk", hidden: !isEmbedded }, this.stage.root, this.side);
    show(main, element("div", { class: "series-head" }, this.head, this.standing, this.imageTrouble), this.desk);
    main.classList.add("series");
    show(this.head, this.title(WORDS.loading));
    this.showAsked(WORDS.clickLesion);
    this.stage.root.hidden = isEmbedded;
    viewer?.ready();
  }

  title(text) {
    return element("h1", { id: "series-title" }, text);
  }

  trouble(place, error) {
    place.hidden = false;
    place.textContent = say.troubleOf(error);
  }

  // --- where the series stands -------------------------------------------------------------------------------

  follow() {
    if (!this.series) return; // a viewer that has none open yet
    repeat(() => this.update(), PAUSE);
  }

  /** Return false when the series stands still. */
  async update() {
    try {
      const surroundings = this.answers.surroundings(this.series);
      surroundings.catch(() => {}); // told below, where the series itself is known
      const row = await oneSeries(this.series);
      const before = this.answers.links;
      this.taken(row);
      await surroundings;
      if (!before) this.heading(row);
      return !FINAL.includes(row.state);
    } catch (error) {
      show(this.head, this.title(WORDS.series));
      show(this.standing, element("p", { class: "trouble", role: "alert" }, error.status === 404 ? WORDS.unknownSeries : say.troubleOf(error)));
      this.last = "";
      this.openStage(null);
      if (![401, 403].includes(error.status)) return true;
      this.desk.hidden = !this.isEmbedded; // one word on it is enough
      return false;
    }
  }

  taken(row) {
    const fresh = JSON.stringify(row);
    if (fresh === this.last) return;
    const before = this.row?.state;
    this.last = fresh;
    this.row = row;
    if (before && before !== row.state) announce(say.stateNow(STATES[row.state]));
    this.desk.hidden = false;
    this.heading(row);
    show(this.standing, this.standingOf(row));
    this.openStage(row);
    if (row.state === "indexed") {
      this.knownRegions(row);
      this.filters.offer(row.cases[0] || {}, MODALITIES);
      const first = row.cases.find((found) => found.region);
      if (first && this.question.kind === "none" && !this.isEmbedded) this.askKnown(first);
      if (this.stage.root.dataset.loaded === "whole") this.outlineOthers();
    }
  }

  heading(row) {
    const held = this.head.contains(document.activeElement) ? document.activeElement.dataset.act : "";
    show(this.head, ...this.headOf(row));
    if (held) this.head.querySelector(`[data-act="${held}"]`)?.focus();
  }

  headOf(row) {
    const { links } = this.answers;
    const about = row.cases[0] || {};
    const title = [row.modality, about.series_description || about.study_description].filter(Boolean).join(" · ");
    const act = (name, word, call) =>
      element("button", { type: "button", "data-act": name, onclick: (event) => this.again(event.target, call) }, word);
    return [
      this.title(title || WORDS.series),
      element("span", { class: `state ${row.state}` }, STATES[row.state] || row.state || ""),
      element("p", { class: "who quiet" }, [about.patient_id, person(about), about.study_date && say.date(about.study_date), !title.includes(about.study_description) && about.study_description].filter(Boolean).join(" · ")),
      ["failed", "refused"].includes(row.state) && act("retry", WORDS.retry, retry),
      row.state === "waiting" && act("hurry", WORDS.hurry, hurry),
      row.orthanc_id && links && element("a", { href: `${links.explorer}#series?uuid=${encodeURIComponent(row.orthanc_id)}` }, WORDS.openInOrthanc),
    ].filter(Boolean);
  }

  standingOf(row) {
    if (row.state === "indexed") return null;
    return facts([
      [WORDS.reason, row.reason],
      [WORDS.state, row.state === "waiting" && row.place !== undefined ? say.placeInQueue(row.place) : row.state === "working" ? WORDS.workingNow : ""],
      [WORDS.notes, (row.notes || []).join("; ")],
    ]);
  }

  async again(button, call) {
    button.disabled = true;
    await call(this.series).catch((error) => announce(say.troubleOf(error)));
    this.last = "";
    this.follow();
  }

  // --- images ------------------------------------------------------------------------------------------------

  openStage(row) {
    if (this.isOpen || this.isEmbedded) return;
    if (row?.state === "refused") {
      this.stage.root.hidden = true;
      return;
    }
    this.stage.root.hidden = false;
    const known = row?.cases.find((found) => found.region) || row?.cases[0];
    if (!row) return; // unknown or away: asked again
    this.isOpen = true;
    this.imageTrouble.hidden = true;
    this.stage.open({ study: this.study, series: this.series, number: known?.volume_number || 0, known });
  }

  openVolume(number) {
    this.question.number = number;
    const known = this.row?.cases.find((found) => found.volume_number === number);
    this.stage.wantsPlace = this.stage.scene.volume?.grid.toLps(this.stage.scene.cursor);
    this.stage.real = "";
    this.clear();
    this.question.number = number;
    this.stage.open({ study: this.study, series: this.series, number, known });
  }

  redraw() {
    const { scene } = this.stage;
    // a key picture that stands for the volume has its own mask: this one counts in the volume's slices
    if (!this.stage.isPoster) scene.regions = [...this.others(), ...(this.region ? [{ ...this.region, kind: "asked" }] : [])];
    scene.points = this.question.points;
    scene.box = this.question.box;
    scene.changed();
  }

  /** The regions that are known in the volume shown, but for the one that is asked about. */
  others() {
    const asked = this.region?.told.tracking_uid;
    const { kind, found } = this.question;
    const corrected = kind === "prompt" ? found?.region?.tracking_uid : "";
    return [...this.outlines.values()].filter(({ told, number }) => number === this.stage.number && ![asked, corrected].includes(told.tracking_uid));
  }

  /** Outline what else is known here; the region that is asked about comes first, and these one by one after it. */
  async outlineOthers() {
    const known = this.row.cases.filter((found) => found.region && found.volume_number === this.stage.number).slice(0, OUTLINES);
    if (known.length < 2) return;
    for (const { case: uid, region, volume_number: number } of known) {
      if (this.outlines.has(uid)) continue;
      const told = await regionOf(this.study, this.series, region.tracking_uid).catch(() => null);
      if (told) this.outlines.set(uid, { ...outlined(told), number, kind: "known" });
      this.redraw();
    }
  }

  // --- the question ------------------------------------------------------------------------------------------

  knownRegions(row) {
    const several = new Set(row.cases.map((found) => found.volume_number)).size > 1;
    const button = (found) =>
      element("button", { type: "button", class: "chip region", "data-known": found.case, "aria-pressed": String(this.isAsked(found.case)), onclick: () => this.askKnown(found, true) }, nameOf(found, several));
    show(this.known,
      row.cases.filter((found) => found.region).map(button),
      row.cases.filter((found) => !found.region).map(button),
      row.cases.some((found) => found.region) ? null : element("p", { class: "quiet" }, WORDS.noRegions));
  }

  askKnown(found, byHand = false) {
    this.question.askKnown(found);
    if (byHand && found.region && found.volume_number === this.stage.number) this.stage.goTo(found.region.centroid_lps);
    if (found.volume_number !== this.stage.number && this.isOpen) {
      this.stage.real = "";
      this.stage.open({ study: this.study, series: this.series, number: found.volume_number, known: found });
    }
    this.region = null;
    this.ask();
  }

  pointed(lps, positive) {
    if (!positive && !this.region) return announce(WORDS.firstInside);
    performance.mark("click");
    const isNew = this.question.addPoint(lps, positive, this.region);
    this.question.number = this.stage.number;
    if (isNew) {
      this.region = null;
      this.stage.leave();
    }
    this.redraw();
    return this.ask();
  }

  boxed(lower, upper) {
    performance.mark("click");
    this.question.askHints([], { lower_lps: lower, upper_lps: upper });
    this.question.number = this.stage.number;
    this.region = null;
    this.stage.leave();
    this.redraw();
    this.ask();
  }

  undo() {
    if (this.question.kind !== "prompt") return;
    this.question.undo();
    if (this.question.kind === "none") this.clear();
    else this.ask();
  }

  clear() {
    this.question.begin();
    this.question.forget();
    this.region = null;
    this.stage.leave();
    this.redraw();
    this.press();
    this.find();
    this.showAsked(WORDS.clickLesion);
  }

  press() {
    const { kind } = this.question;
    this.wishes.offer({ hasRegion: ["known", "prompt"].includes(kind), isSeries: kind === "series" });
    for (const chip of this.known.querySelectorAll("[data-known]")) {
      chip.setAttribute("aria-pressed", String(this.isAsked(chip.dataset.known)));
    }
  }

  /** Where the answers should lie: where the region does, else where the crosshair is. */
  placeAsked() {
    const { kind, found } = this.question;
    const { volume, cursor } = this.stage.scene;
    if (this.region) return { lps: this.region.centroid };
    if (kind === "known") return { lps: found.region.centroid_lps };
    if (!volume) return null;
    // beside a point in its millimetres a series is itself not asked about
    return kind === "series" ? { relative: volume.grid.shareOf(cursor) } : { lps: volume.grid.toLps(cursor) };
  }

  isAsked(uid) {
    return this.question.kind !== "prompt" && this.question.found?.case === uid;
  }

  /** Hints show their region first, before the archive is searched; what is known already is sought at once. */
  async ask() {
    const signal = this.question.begin();
    const isPrompt = this.question.kind === "prompt";
    this.press();
    this.showAsked({ prompt: WORDS.segmenting, series: WORDS.seriesAsked }[this.question.kind] || "");
    delete this.stage.root.dataset.region;
    delete this.answers.root.dataset.shown;
    delete this.answers.root.dataset.pictures;
    const shown = this.showMask(signal, isPrompt).finally(() => {
      if (this.showing === shown) this.showing = null;
    });
    this.showing = shown;
    if (isPrompt && !(await shown)) return;
    await Promise.all([shown, this.find(signal)]);
  }

  /** Another filter or wish; a region that is still on its way is asked for again with it. */
  askAgain() {
    return this.showing ? this.ask() : this.find();
  }

  /** Return whether the region stands on the images. */
  async showMask(signal, isPrompt) {
    try {
      const region = await this.question.region(signal);
      if (signal.aborted) return false;
      this.region = region;
      this.redraw();
      if (!region) return false;
      this.showRegion(region);
      if (isPrompt) afterDrawing(() => performance.mark("mask"));
      this.stage.root.dataset.region = region.told.tracking_uid;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (isPrompt) this.shownNothing(error);
      else {
        // the archive lacks the mask: the cases can be found all the same
        this.region = null;
        this.redraw();
      }
      return false;
    }
  }

  /** So many mm a key picture should show, to be at the question's scale. */
  async fieldAsked() {
    if (this.region) return this.region.field;
    const { kind, found } = this.question;
    return kind === "known" ? fieldOfPicture(await pictureOf(found.case).catch(() => ({}))) : NO_REGION;
  }

  /** Hints gave no region: a correction is taken back, and what it corrected stays. */
  shownNothing(error) {
    if (this.region && this.question.steps.length) {
      this.question.undo();
      this.showRegion(this.region, say.troubleOf(error));
    } else {
      this.region = null;
      this.answers.empty("");
      this.showAsked(say.troubleOf(error), true);
    }
    this.redraw();
  }

  showAsked(text, isTrouble = false) {
    const { kind } = this.question;
    show(this.asked,
      text && element("p", { class: isTrouble ? "trouble" : "" }, text),
      kind === "prompt" && this.promptActs());
  }

  promptActs() {
    return element("div", { class: "acts" },
      element("button", { type: "button", "data-act": "undo", onclick: () => this.undo() }, WORDS.undo),
      element("button", { type: "button", "data-act": "clear", onclick: () => this.clear() }, WORDS.startOver));
  }

  showRegion({ told }, trouble = "") {
    const words = say.regionOf(told);
    show(this.asked,
      trouble && element("p", { class: "trouble" }, trouble),
      element("p", { class: "size", "data-ml": told.volume_ml }, element("strong", {}, say.millilitres(told.volume_ml)), ` · ${say.sizes(told.size_mm)}`),
      element("p", { class: "quiet" }, this.question.kind === "prompt" ? WORDS.correctIt : [say.findingOf(this.question.found.region, this.question.found), AUTHORS[this.question.found.region.authorship]].filter(Boolean).join(" · ")),
      this.question.kind === "prompt" && this.promptActs());
    announce(words);
  }

  // --- the answers -------------------------------------------------------------------------------------------

  async find(signal = this.question.begin()) {
    if (this.question.kind === "none" && !this.wishes.isQuestion) return this.answers.none();
    this.answers.searching();
    try {
      await this.answers.surroundings(this.series);
      const more = { ...this.wishes.asked(), filters: this.filters.asked() };
      const [answer, field] = await Promise.all([this.question.answer(more, signal), this.fieldAsked()]);
      if (!signal.aborted) this.answers.show(answer, field);
    } catch (error) {
      if (!signal.aborted) this.answers.trouble(error);
    }
    return undefined;
  }

  askedUid() {
    return this.region?.told.tracking_uid || this.question.found?.region?.tracking_uid || JSON.stringify(this.question.body);
  }

  /** Open an answer beside the question; `match` is the pair of slices to open both on. */
  compare(found, match) {
    this.answers.mark(found);
    const region = async (one) => outlined(await regionOf(one.study, one.series, one.region.tracking_uid));
    return this.stage.compare(found, region, match || firstMatch(found));
  }

  /** The answer beside was closed. */
  left(found) {
    this.answers.mark(null);
    this.answers.focus(found);
  }

  // --- inside a viewer ---------------------------------------------------------------------------------------

  viewerAsks({ study, series, points }) {
    const isOther = series !== this.series;
    Object.assign(this, { study, series, region: null });
    this.outlines.clear();
    Object.assign(this.question, { study, series, number: 0 });
    if (isOther) {
      this.answers.forget();
      this.last = "";
      this.follow();
    }
    const prompts = promptsOf(points);
    if (prompts) {
      const box = prompts.box && { lower_lps: prompts.box[0], upper_lps: prompts.box[1] };
      this.question.askHints([{ lps: prompts.middle, positive: true }], box);
    } else this.question.askSeries();
    this.ask();
  }
}

/** What is compared as a whole opens on the slices that match best; a region opens on itself. */
const firstMatch = (found) => (found.region ? null : (found.matches || []).find((one) => one.asked) || null);

function nameOf(found, several) {
  const region = found.region;
  const words = region ? [region.label || region.finding?.meaning || WORDS.region, say.millilitres(region.volume_ml)] : [WORDS.wholeSeries];
  if (several) words.push(found.volume_label || say.volumeNumber(found.volume_number));
  return words.filter(Boolean).join(" · ");
}
