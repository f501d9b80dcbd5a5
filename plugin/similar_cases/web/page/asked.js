// What stands under "Question": what to do, how large the region is, what went wrong, and the way back.

import { announce, element, show } from "./dom.js";
import * as say from "./strings.js";

const { AUTHORS, WORDS } = say;

export class Asked {
  /** `does`: {undo(), clear()}; `isEmbedded`: a viewer shows the images, and hands over what is measured there. */
  constructor(does, isEmbedded) {
    Object.assign(this, { does, hints: isEmbedded ? WORDS.inViewer : WORDS.here });
    this.root = element("div", { class: "asked", role: "status" });
  }

  /** Say what can be done while nothing is asked. */
  begin(question) {
    this.say(question, this.hints.begin);
  }

  /** Say one line of a question. */
  say(question, text, isTrouble = false) {
    show(this.root, text && element("p", { class: isTrouble ? "trouble" : "" }, text), this.acts(question));
  }

  /** Show the size of the region that a question is about; `trouble` tells of a correction that failed. */
  show(question, { told }, trouble = "") {
    show(this.root,
      trouble && element("p", { class: "trouble" }, trouble),
      element("p", { class: "size", "data-ml": told.volume_ml }, element("strong", {}, say.millilitres(told.volume_ml)), ` · ${say.sizes(told.size_mm)}`),
      element("p", { class: "quiet" }, question.kind === "prompt" ? this.hints.correct : whatIsKnown(question.found)),
      this.acts(question));
    announce(say.regionOf(told));
  }

  acts({ kind }) {
    if (kind !== "prompt") return null;
    return element("div", { class: "acts" },
      element("button", { type: "button", "data-act": "undo", onclick: () => this.does.undo() }, WORDS.undo),
      element("button", { type: "button", "data-act": "clear", onclick: () => this.does.clear() }, WORDS.startOver));
  }
}

const whatIsKnown = (found) => [say.findingOf(found.region, found), AUTHORS[found.region.authorship]].filter(Boolean).join(" · ");
