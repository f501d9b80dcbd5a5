// The head of a series' page: what the series is, where it stands, and what can be done about it; asked until it stands still.

import { person } from "./cards.js";
import { hurry, oneSeries, repeat, retry } from "./client.js";
import { announce, element, facts, show } from "./dom.js";
import * as say from "./strings.js";

const { STATES, WORDS } = say;
const PAUSE = 2000;
const FINAL = ["indexed", "refused", "failed"];

export class Heading {
  /**
   * `does`: {surroundings(series) → promise, links() → addresses of the archive or null, came(row), lost(error)}; `came` is
   * called with each news of the series, `lost` where there is none to be had.
   */
  constructor(does) {
    Object.assign(this, { does, series: "", row: null, last: "", turn: null });
    this.head = element("div", { class: "head" }, titled(WORDS.loading));
    this.standing = element("div", { class: "standing" });
    this.root = element("div", { class: "series-head" }, this.head, this.standing);
  }

  /** Follow a series until it stands still; a viewer may have none open yet. */
  follow(series) {
    if (series !== this.series) this.row = null;
    const turn = {};
    Object.assign(this, { series, last: "", turn });
    if (series) repeat(() => this.turn === turn && this.update(), PAUSE);
  }

  /** Return false when the series stands still. */
  async update() {
    const { turn, does } = this;
    try {
      const surroundings = does.surroundings(this.series);
      surroundings.catch(() => {}); // told below, where the series itself is known
      const row = await oneSeries(this.series);
      if (turn !== this.turn) return false;
      const before = does.links();
      this.take(row);
      await surroundings;
      if (!before) this.tell(row);
      return !FINAL.includes(row.state);
    } catch (error) {
      if (turn !== this.turn) return false;
      this.lose(error);
      return ![401, 403].includes(error.status);
    }
  }

  take(row) {
    const fresh = JSON.stringify(row);
    if (fresh === this.last) return;
    const before = this.row?.state;
    Object.assign(this, { row, last: fresh });
    if (before && before !== row.state) announce(say.stateNow(STATES[row.state]));
    this.tell(row);
    show(this.standing, standingOf(row));
    this.does.came(row);
  }

  lose(error) {
    show(this.head, titled(WORDS.series));
    show(this.standing, element("p", { class: "trouble", role: "alert" }, error.status === 404 ? WORDS.unknownSeries : say.troubleOf(error)));
    this.last = "";
    this.does.lost(error);
  }

  tell(row) {
    const held = this.head.contains(document.activeElement) ? document.activeElement.dataset.act : "";
    show(this.head, ...this.parts(row));
    if (held) this.head.querySelector(`[data-act="${held}"]`)?.focus();
  }

  parts(row) {
    const links = this.does.links();
    const about = row.cases[0] || {};
    const title = [row.modality, about.series_description || about.study_description].filter(Boolean).join(" · ");
    const who = [about.patient_id, person(about), about.study_date && say.date(about.study_date), !title.includes(about.study_description) && about.study_description];
    return [
      titled(title || WORDS.series),
      element("span", { class: `state ${row.state}` }, STATES[row.state] || row.state || ""),
      element("p", { class: "who quiet" }, who.filter(Boolean).join(" · ")),
      ["failed", "refused"].includes(row.state) && this.act("retry", WORDS.retry, retry),
      row.state === "waiting" && this.act("hurry", WORDS.hurry, hurry),
      row.orthanc_id && links && element("a", { href: `${links.explorer}#series?uuid=${encodeURIComponent(row.orthanc_id)}` }, WORDS.openInOrthanc),
    ].filter(Boolean);
  }

  act(name, word, call) {
    const onclick = async ({ target }) => {
      target.disabled = true;
      await call(this.series).catch((error) => announce(say.troubleOf(error)));
      this.follow(this.series);
    };
    return element("button", { type: "button", "data-act": name, onclick }, word);
  }
}

const titled = (text) => element("h1", { id: "series-title" }, text);

function standingOf(row) {
  if (row.state === "indexed") return null;
  return facts([
    [WORDS.reason, row.reason],
    [WORDS.state, row.state === "waiting" && row.place !== undefined ? say.placeInQueue(row.place) : row.state === "working" ? WORDS.workingNow : ""],
    [WORDS.notes, (row.notes || []).join("; ")],
  ]);
}
