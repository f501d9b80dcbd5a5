// The answers beside the question: cards, what can be taken along of them, and what is said of them.

import { card } from "./cards.js";
import { copy, csvOf, download } from "./carry.js";
import { feedbackOn, plugins, status, tellFeedback } from "./client.js";
import { announce, element, show } from "./dom.js";
import { showRadiomics } from "./radiomics.js";
import * as say from "./strings.js";
import { viewersOf } from "./viewers.js";

const { WORDS } = say;

export class Answers {
  /**
   * `does`: {window() → {window, unit, range} or null, uid() → of the question, body() → the question for feedback, or null for none,
   * compare(found, match), open(found) or null, judged()}.
   */
  constructor(does) {
    Object.assign(this, { does, cards: [], answer: null, links: null, viewers: [], verdicts: new Map() });
    this.root = element("div", { class: "answers" });
    this.acts = element("div", { class: "acts" });
    this.none();
  }

  /** Where the archive is, which viewers there are, and what was said of answers before; asked until it is known. */
  surroundings(series) {
    this.around ||= this.lookAround(series).catch((error) => {
      this.around = null;
      throw error;
    });
    return this.around;
  }

  async lookAround(series) {
    const [{ links, viewers }, { feedback: said }] = await Promise.all([status(), series ? feedbackOn(series) : { feedback: [] }]);
    for (const word of said) this.verdicts.set(`${word.asked_uid} ${word.case_uid}`, word.verdict);
    this.viewers = viewersOf(await plugins(links.orthanc), links.orthanc, viewers);
    this.links = links;
  }

  /** Another series is asked about: what was said of its answers is not known yet. */
  forget() {
    this.around = null;
  }

  // --- what is shown -----------------------------------------------------------------------------------------

  /** What stands here answers another question. */
  outdated() {
    delete this.root.dataset.shown;
    delete this.root.dataset.pictures;
  }

  searching() {
    this.root.setAttribute("aria-busy", "true");
    this.outdated();
    if (!this.cards.length || !this.answer) show(this.root, element("p", { class: "quiet" }, WORDS.searching));
  }

  /** Say what stands here while nothing is asked. */
  none() {
    this.empty(WORDS.nothingAsked);
  }

  trouble(error) {
    this.empty("");
    show(this.root, element("p", { class: "trouble", role: "alert" }, say.troubleOf(error)));
  }

  empty(text) {
    show(this.acts);
    Object.assign(this, { answer: null, cards: [] });
    this.root.removeAttribute("aria-busy");
    show(this.root, text && element("p", { class: "quiet" }, text));
  }

  /** Show the answer (null for none), key pictures `field` mm wide. */
  show(answer, field) {
    this.answer = answer || { cases: [], candidates: 0, remaining: 0 };
    this.field = field;
    const { cases, candidates } = this.answer;
    this.root.removeAttribute("aria-busy");
    announce(say.foundMany(cases.length));
    show(this.acts, cases.length > 0 && this.takeAlong(cases));
    this.cards = cases.map((found) => card(found, this.context()));
    if (!cases.length) return show(this.root, element("p", { class: "quiet" }, this.does.body ? WORDS.noSimilar : WORDS.noneByWords));
    show(this.root, element("p", { class: "quiet count" }, say.candidates(candidates)), element("ol", { class: "cards" }, this.cards.map((one) => one.root)));
    const { cards } = this;
    Promise.all(cards.map((one) => one.picture.came)).then(() => {
      if (this.cards === cards) this.root.dataset.pictures = "drawn";
    });
    delete this.root.dataset.pictures;
    this.root.dataset.shown = String(cases.length);
    performance.mark("cards");
    return undefined;
  }

  takeAlong(cases) {
    return [
      element("button", { type: "button", "data-act": "radiomics", onclick: () => showRadiomics(this.answer.asked?.radiomics, cases) }, WORDS.radiomics),
      element("button", { type: "button", "data-act": "export", onclick: () => download("similar-cases.csv", csvOf(this.table())) }, WORDS.exportCsv),
      element("button", { type: "button", "data-act": "copy", onclick: async () => announce((await copy(this.table())) ? WORDS.copied : WORDS.notCopied) }, WORDS.copy),
    ];
  }

  context() {
    const { does } = this;
    return {
      links: this.links,
      viewers: this.viewers,
      field: this.field,
      window: () => does.window(),
      verdict: (found) => this.verdicts.get(`${does.uid()} ${found.case}`),
      does: {
        compare: (found, match = null) => does.compare(found, match),
        judge: does.body && ((found, verdict) => this.judge(found, verdict)),
        open: does.open,
      },
    };
  }

  /** The window of the question has changed; a hand changes it more often than the screen. */
  redraw() {
    this.drawing ||= window.requestAnimationFrame(() => {
      this.drawing = 0;
      this.cards.forEach((one) => one.picture.draw());
    });
  }

  /** Show which card stands beside the question; null for none. */
  mark(found) {
    for (const one of this.cards) one.root.classList.toggle("beside-now", one.root.dataset.case === found?.case);
  }

  /** The keyboard goes back to a card. */
  focus(found) {
    this.cards.find((one) => one.root.dataset.case === found.case)?.root.querySelector(".open").focus();
  }

  // --- what is said, and taken along -------------------------------------------------------------------------

  /** What was said of answers to a question. */
  judged(uid) {
    const of = (verdict) => [...this.verdicts].filter(([key, word]) => key.startsWith(`${uid} `) && word === verdict).map(([key]) => key.slice(uid.length + 1));
    return { like: of("alike"), unlike: of("not_alike") };
  }

  async judge(found, verdict) {
    const { does } = this;
    try {
      const kept = await tellFeedback({ asked: does.body(), case: found.case, verdict, rank: found.rank, score: found.score });
      this.verdicts.set(`${does.uid()} ${found.case}`, verdict);
      this.verdicts.set(`${kept.asked_uid} ${found.case}`, verdict);
      announce(verdict ? WORDS.kept : WORDS.takenBack);
      does.judged();
      return true;
    } catch (error) {
      announce(say.troubleOf(error));
      return false;
    }
  }

  table() {
    const { cases } = this.answer;
    const parts = [...new Set(cases.flatMap((found) => found.parts.map((part) => part.name)))];
    return [
      ["rank", "score", ...parts, "chance", "modality", "patient", "sex", "age", "study_date", "finding", "volume_ml", "reasons", "study", "series", "case"],
      ...cases.map((found) => [
        found.rank, found.score, ...parts.map((name) => found.parts.find((part) => part.name === name)?.value ?? ""), found.certainty?.chance ?? "", found.modality,
        found.patient_id ?? "", found.patient_sex ?? "", found.patient_age_years ?? "", found.study_date ?? "", found.region?.finding?.meaning ?? "",
        found.region?.volume_ml ?? "", found.reasons.join("; "), found.study, found.series, found.case,
      ]),
    ];
  }
}
