// From what a reader points at to the answers: first the region that is meant, over the images, then the cases like it.

import { Answers } from "./answers.js";
import { Asked } from "./asked.js";
import { pictureOf } from "./client.js";
import { afterDrawing, announce } from "./dom.js";
import { Filters } from "./filters.js";
import { NO_REGION, Question, fieldOfPicture } from "./question.js";
import * as say from "./strings.js";
import { Wishes } from "./wishes.js";

const { WORDS } = say;

export class Asking {
  /**
   * `stage` shows the region that is asked about, `regions` are those that are known; `does`: {compare(found, match),
   * open(found) or null}.
   */
  constructor({ study, series }, stage, regions, does) {
    Object.assign(this, { study, series, stage, regions, region: null, showing: null });
    this.question = new Question({ study, series });
    this.asked = new Asked({ undo: () => this.undo(), clear: () => this.clear() }, Boolean(does.open));
    this.answers = new Answers({
      window: () => stage.greys,
      uid: () => this.uid,
      body: () => this.question.body,
      compare: does.compare,
      open: does.open,
      judged: () => (this.wishes.chosen.examples ? this.again() : this.press()),
    });
    this.filters = new Filters(() => this.again());
    this.wishes = new Wishes({ changed: () => this.again(), place: () => this.place(), examples: () => this.answers.judged(this.uid) });
    this.asked.begin(this.question);
  }

  // --- what is asked about -----------------------------------------------------------------------------------

  /** Ask about a case that is known: a region, or a whole series. */
  known(found) {
    this.question.askKnown(found);
    this.region = null;
    return this.ask();
  }

  point(lps, positive) {
    if (!positive && !this.region) return announce(WORDS.firstInside);
    performance.mark("click");
    if (this.question.addPoint(lps, positive, this.region)) this.newRegion();
    return this.hinted();
  }

  box(lower, upper) {
    performance.mark("click");
    this.question.askHints([], { lower_lps: lower, upper_lps: upper });
    this.newRegion();
    return this.hinted();
  }

  newRegion() {
    this.region = null;
    this.stage.leave();
  }

  hinted() {
    this.question.number = this.stage.number;
    this.redraw();
    return this.ask();
  }

  /** Ask about another series, by a viewer's measurement: a point and perhaps a box; null for the whole series. */
  measured({ study, series }, prompts) {
    Object.assign(this, { study, series, region: null });
    Object.assign(this.question, { study, series, number: 0 });
    if (prompts) this.question.askHints(prompts.points, prompts.box);
    else this.question.askSeries();
    return this.ask();
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
    this.newRegion();
    this.redraw();
    this.press();
    this.find();
    this.asked.begin(this.question);
  }

  isAbout(uid) {
    return this.question.kind !== "prompt" && this.question.found?.case === uid;
  }

  get uid() {
    return this.region?.told.tracking_uid || this.question.found?.region?.tracking_uid || JSON.stringify(this.question.body);
  }

  /** Where the answers should lie: where the region does, else where the crosshair is. */
  place() {
    const { kind, found } = this.question;
    const { volume, cursor } = this.stage.scene;
    if (this.region) return { lps: this.region.centroid };
    if (kind === "known") return { lps: found.region.centroid_lps };
    if (!volume) return null;
    // beside a point in its millimetres a series is itself not asked about
    return kind === "series" ? { relative: volume.grid.shareOf(cursor) } : { lps: volume.grid.toLps(cursor) };
  }

  // --- what is shown of it -----------------------------------------------------------------------------------

  press() {
    const { kind } = this.question;
    this.wishes.offer({ hasRegion: ["known", "prompt"].includes(kind), isSeries: kind === "series" });
    this.regions.press();
  }

  redraw() {
    const { scene, number, isPoster } = this.stage;
    const { kind, found, points, box } = this.question;
    // a key picture that stands for the volume has its own mask: this one counts in the volume's slices
    if (!isPoster) {
      const corrected = kind === "prompt" ? found?.region?.tracking_uid : "";
      const others = this.regions.outlinesOf(number, [this.region?.told.tracking_uid, corrected]);
      scene.regions = [...others, ...(this.region ? [{ ...this.region, kind: "asked" }] : [])];
    }
    Object.assign(scene, { points, box });
    scene.changed();
  }

  // --- the course of a question ------------------------------------------------------------------------------

  /** Hints show their region first, before the archive is searched; what is known already is sought at once. */
  async ask() {
    const signal = this.question.begin();
    const isPrompt = this.question.kind === "prompt";
    this.press();
    this.asked.say(this.question, { prompt: WORDS.segmenting, series: WORDS.seriesAsked }[this.question.kind] || "");
    delete this.stage.root.dataset.region;
    this.answers.outdated();
    const shown = this.showRegion(signal, isPrompt).finally(() => {
      if (this.showing === shown) this.showing = null;
    });
    this.showing = shown;
    if (isPrompt && !(await shown)) return;
    await Promise.all([shown, this.find(signal)]);
  }

  /** Another filter or wish; a region that is still on its way is asked for again with it. */
  again() {
    return this.showing ? this.ask() : this.find();
  }

  /** Return whether the region stands on the images. */
  async showRegion(signal, isPrompt) {
    try {
      const region = await this.question.region(signal);
      if (signal.aborted) return false;
      this.region = region;
      this.redraw();
      if (!region) return false;
      this.asked.show(this.question, region);
      if (isPrompt) afterDrawing(() => performance.mark("mask"));
      this.stage.root.dataset.region = region.told.tracking_uid;
      return true;
    } catch (error) {
      if (!signal.aborted) this.lacks(error, isPrompt);
      return false;
    }
  }

  /** No region came: a correction is taken back, and what it corrected stays. */
  lacks(error, isPrompt) {
    if (isPrompt && this.region && this.question.steps.length) {
      this.question.undo();
      this.asked.show(this.question, this.region, say.troubleOf(error));
    } else {
      this.region = null;
      // of a known region the archive lacks the mask alone: the cases can be found all the same
      if (isPrompt) {
        this.answers.empty("");
        this.asked.say(this.question, say.troubleOf(error), true);
      }
    }
    this.redraw();
  }

  async find(signal = this.question.begin()) {
    if (this.question.kind === "none" && !this.wishes.isQuestion) return this.answers.none();
    this.answers.searching();
    try {
      await this.answers.surroundings(this.series);
      const more = { ...this.wishes.asked(), filters: this.filters.asked() };
      const [answer, field] = await Promise.all([this.question.answer(more, signal), this.field()]);
      if (!signal.aborted) this.answers.show(answer, field);
    } catch (error) {
      if (!signal.aborted) this.answers.trouble(error);
    }
    return undefined;
  }

  /** So many mm a key picture should show, to be at the question's scale. */
  async field() {
    if (this.region) return this.region.field;
    const { kind, found } = this.question;
    return kind === "known" ? fieldOfPicture(await pictureOf(found.case).catch(() => ({}))) : NO_REGION;
  }
}
