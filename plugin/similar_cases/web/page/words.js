// The archive asked by words alone: a line to type in, and the cases whose captions and reports fit best.

import { Answers } from "./answers.js";
import { addressOf } from "./cards.js";
import { similar } from "./client.js";
import { element } from "./dom.js";
import { NO_REGION } from "./question.js";
import { WISHES, WORDS } from "./strings.js";

/** Return the section of the archive's page. */
export function wordSearch() {
  const answers = new Answers({
    window: () => null,
    uid: () => "",
    body: null, // nobody can say of a case that it is alike to words
    compare: (found) => window.location.assign(addressOf(found)),
    open: null,
    judged: () => {},
  });
  answers.empty("");
  const line = element("input", { type: "search", id: "words", maxlength: 2000, placeholder: WISHES.wordsExample, autocomplete: "off" });
  let waiting = new AbortController();
  const find = async (event) => {
    event.preventDefault();
    waiting.abort();
    waiting = new AbortController();
    const { signal } = waiting;
    const text = line.value.trim();
    if (!text) return answers.empty("");
    answers.searching();
    try {
      await answers.surroundings("");
      const found = await similar({ text, limit: 10 }, signal);
      if (!signal.aborted) answers.show(found, NO_REGION);
    } catch (error) {
      if (!signal.aborted) answers.trouble(error);
    }
    return undefined;
  };
  return element("section", { class: "panel words", "aria-labelledby": "words-title" },
    element("h2", { id: "words-title" }, WORDS.findByWords),
    element("form", { role: "search", onsubmit: find },
      element("label", { for: "words", class: "unseen" }, WISHES.words), line,
      element("button", { type: "submit" }, WORDS.find), answers.acts),
    answers.root);
}
