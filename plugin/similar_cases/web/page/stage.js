// The light box: one series in three planes, and, to compare, another one beside it.

import { middleOf, pictureOf } from "./client.js";
import { element, show } from "./dom.js";
import { carried, firstWindow, presets } from "./grey.js";
import { linkOf } from "./link.js";
import { planeMask } from "./mask.js";
import { Scene } from "./scene.js";
import { KEYS, WORDS, comparedWith, loadedPart, viewName } from "./strings.js";
import { View } from "./view.js";
import { Volume, load } from "./volume.js";

const TOOLS = ["point", "box", "window", "pan"];

export class Stage {
  /** `does`: {point, box, undo, compared(case or null), problem(error)}. */
  constructor(does) {
    this.does = does;
    this.scene = new Scene();
    this.other = null;
    this.isLinked = true;
    this.loading = null;
    const keys = {
      point: (lps, positive) => does.point(lps, positive),
      box: (lower, upper) => does.box(lower, upper),
      undo: () => does.undo(),
      window: (step) => this.nextWindow(step),
      toggle: (name) => this.toggle(name),
      centre: () => this.centre(),
      link: () => this.setLinked(!this.isLinked),
      hover: (index) => this.probe(index),
    };
    this.views = [0, 1, 2].map((number) => new View(this.scene, number, viewName(number), keys));
    this.small = element("div", { class: "small-views" }, this.views[1].root, this.views[2].root);
    this.beside = element("div", { class: "beside", hidden: true });
    this.frame = element("div", { class: "views" }, this.views[0].root, this.small, this.beside);
    this.state = element("p", { class: "stage-state quiet" });
    this.value = element("span", { class: "number probe", "aria-hidden": "true" });
    this.progress = element("progress", { class: "loading", max: 1, value: 0, hidden: true, "aria-label": WORDS.loadingImages });
    this.root = element("section", { class: "stage", "aria-label": WORDS.images }, this.toolbar(), this.frame, this.progress,
      element("div", { class: "foot" }, this.state, this.value, keyHelp()));
    this.scene.listen((what) => this.followed(what));
  }

  toolbar() {
    const button = (name, word, act, pressed) =>
      element("button", { type: "button", "data-act": name, title: word.title, "aria-pressed": pressed, onclick: act }, word.text || word);
    this.buttons = Object.fromEntries([
      ...TOOLS.map((tool) => [tool, button(tool, KEYS.tools[tool], () => this.setTool(tool), String(tool === "point"))]),
      ["isNegative", button("isNegative", KEYS.outside, () => this.toggle("isNegative"), "false")],
      ["showsRegions", button("showsRegions", KEYS.regions, () => this.toggle("showsRegions"), "true")],
      ["showsCrosshair", button("showsCrosshair", KEYS.crosshair, () => this.toggle("showsCrosshair"), "false")],
      ["fit", button("fit", KEYS.fit, () => this.fit())],
      ["centre", button("centre", KEYS.centre, () => this.centre())],
    ]);
    this.windows = element("select", { "aria-label": WORDS.window, onchange: () => this.setWindow(this.windows.selectedIndex) });
    this.numbers = element("select", { "aria-label": WORDS.volumeChoice, hidden: true, onchange: () => this.does.number(Number(this.numbers.value)) });
    const { point, box, window, pan, ...rest } = this.buttons;
    return element(
      "div",
      { class: "tools", role: "toolbar", "aria-label": WORDS.tools },
      element("div", { class: "group", role: "group", "aria-label": WORDS.tool }, point, box, window, pan),
      rest.isNegative,
      this.windows,
      element("div", { class: "group" }, rest.showsRegions, rest.showsCrosshair, rest.fit, rest.centre),
      this.numbers,
    );
  }

  // --- what is shown -----------------------------------------------------------------------------------------

  /** Open a series; a picture stands until the volume has come: that of `known`, a case of it, or one of its slices. */
  async open({ study, series, number = 0, known }) {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    Object.assign(this, { study, series, number, known, isPoster: false });
    this.progress.hidden = false;
    this.progress.removeAttribute("value");
    this.state.textContent = WORDS.loadingImages;
    const poster = this.poster(known, loading.signal);
    try {
      await load({
        study, series, number, signal: loading.signal,
        opened: (volume) => volume.grid.toIndex(this.begin(volume))[0],
        came: (volume) => this.came(volume),
      });
    } catch (error) {
      if (loading.signal.aborted) return;
      await poster;
      this.progress.hidden = true;
      this.state.textContent = "";
      this.does.problem(error);
    }
  }

  /** Where to look first, LPS mm. */
  begin(volume) {
    if (this.scene.volume && this.wantsPlace) return this.wantsPlace;
    // the key picture of a case stays; any slice of a series that has none yet gives way to its middle
    if (this.isPoster && this.known) return this.scene.volume.grid.toLps(this.scene.cursor);
    return this.known?.region?.centroid_lps || volume.grid.toLps(volume.grid.middle());
  }

  async poster(known, signal) {
    try {
      const told = await (known ? pictureOf(known.case) : middleOf(this.study, this.series));
      if (signal.aborted || this.real === this.series) return;
      const volume = volumeOfPicture(told);
      this.isPoster = true;
      this.frame.classList.add("poster");
      this.scene.regions = told.runs ? [{ mask: planeMask(told.runs, told.rows, told.columns), kind: "asked", centroid: known.region?.centroid_lps }] : [];
      this.put(volume, known?.region?.centroid_lps || volume.grid.toLps(volume.grid.middle()), known?.body_part_examined);
      performance.mark("first-picture");
    } catch {
      this.isPoster = false;
    }
  }

  came(volume) {
    const total = volume.grid.shape[0];
    if (this.real !== this.series || this.scene.volume !== volume) {
      const place = this.begin(volume);
      const window = this.isPoster && this.scene.window ? carried(this.scene.window, this.scene.volume, volume) : null;
      this.real = this.series;
      this.wantsPlace = null;
      this.isPoster = false;
      this.scene.regions = [];
      this.frame.classList.remove("poster");
      this.put(volume, place, this.known?.body_part_examined, window);
      performance.mark("first-slice");
      this.volumes(volume.told);
      this.does.opened?.(volume);
    }
    this.progress.value = volume.loaded / total;
    this.progress.hidden = volume.isWhole;
    this.state.textContent = volume.isWhole ? (volume.told.notes || []).join("; ") : loadedPart(volume.loaded, total);
    if (volume.isWhole) {
      performance.mark("volume-whole");
      this.does.whole?.();
    }
    this.root.dataset.loaded = volume.isWhole ? "whole" : "part";
    this.scene.changed("voxels");
  }

  put(volume, place, bodyPart, window = null) {
    const chosen = window || firstWindow(volume.unit, volume.range, bodyPart);
    this.choices = presets(volume.unit, volume.range);
    show(this.windows, this.choices.map((one) => element("option", {}, one.name)), element("option", { hidden: true }, WORDS.ownWindow));
    this.scene.open(volume, chosen, volume.grid.toIndex(place));
  }

  volumes({ volumes, number }) {
    this.numbers.hidden = volumes.length < 2;
    show(this.numbers, volumes.map((one) =>
      element("option", { value: one.number, selected: one.number === number }, one.label || `${WORDS.volume} ${one.number + 1}`)));
  }

  followed(what) {
    if (what === "window" && this.choices) {
      const at = this.choices.findIndex((one) => one.name === this.scene.window.name);
      this.windows.selectedIndex = at < 0 ? this.choices.length : at;
      this.does.windowed?.();
    }
    if (what === "cursor") {
      this.probe(null);
      if (this.isLinked && this.other) this.other.link?.forward();
    }
  }

  /** The value under the hand, or under the crosshair. */
  probe(index) {
    const { volume, cursor } = this.scene;
    if (!volume) return;
    const at = index || cursor;
    const inside = at.every((value, axis) => value > -0.5 && value < volume.grid.shape[axis] - 0.5);
    const value = inside ? volume.valueAt(at) : undefined;
    this.value.textContent = value === undefined ? "" : `${Math.abs(value) < 100 && volume.scale.slope !== 1 ? value.toFixed(2) : Math.round(value)} ${KEYS.units[volume.unit] || ""}`;
  }

  // --- acts --------------------------------------------------------------------------------------------------

  setTool(tool) {
    this.scene.tool = tool;
    TOOLS.forEach((name) => this.buttons[name].setAttribute("aria-pressed", String(name === tool)));
    this.frame.dataset.tool = tool;
  }

  toggle(name) {
    this.scene[name] = !this.scene[name];
    this.buttons[name].setAttribute("aria-pressed", String(this.scene[name]));
    if (this.other && name !== "isNegative") {
      this.other.scene[name] = this.scene[name];
      this.other.scene.changed();
    }
    this.scene.changed();
  }

  setWindow(at) {
    if (this.choices?.[at]) this.scene.setWindow(this.choices[at]);
  }

  nextWindow(step) {
    const at = this.choices.findIndex((one) => one.name === this.scene.window.name);
    this.setWindow((at + step + this.choices.length) % this.choices.length);
  }

  fit() {
    this.views.forEach((view) => view.fit());
    this.other?.views.forEach((view) => view.fit());
  }

  /** Bring the region that is asked about into the middle, the other one too where one is beside. */
  centre() {
    if (!this.scene.volume) return;
    const asked = this.scene.regions.find((one) => one.kind === "asked");
    const place = asked?.centroid || this.scene.volume.grid.toLps(this.scene.cursor);
    this.scene.goTo(place);
    const field = Math.max(asked?.around || 0, this.other?.around || 0) || 120;
    this.views.forEach((view) => view.zoomTo(place, field));
    if (this.other?.scene.volume) this.other.centre(field);
  }

  goTo(lps) {
    if (this.scene.volume) this.scene.goTo(lps);
  }

  setLinked(isLinked) {
    this.isLinked = isLinked;
    this.linkButton?.setAttribute("aria-pressed", String(isLinked));
    if (isLinked) this.other?.link?.forward();
  }

  // --- beside ------------------------------------------------------------------------------------------------

  /** Open `found`, an answer, beside the question; `match` is the pair of frames to begin with, or null. */
  async compare(found, load, match = null) {
    this.leave();
    const other = new Beside(found, this, match);
    this.other = other;
    this.linkButton = element("button", { type: "button", "aria-pressed": String(this.isLinked), "data-act": "link", title: KEYS.link.title, onclick: () => this.setLinked(!this.isLinked) }, KEYS.link.text);
    show(
      this.beside,
      element("div", { class: "beside-head" },
        element("h2", { tabindex: "-1" }, comparedWith(found)),
        this.linkButton,
        element("button", { type: "button", "data-act": "close", onclick: () => this.leave(true) }, WORDS.close)),
      other.state,
      other.views[0].root,
    );
    this.beside.hidden = false;
    this.frame.classList.add("compared");
    this.beside.querySelector("h2").focus({ preventScroll: false });
    await other.open(load);
  }

  leave(byHand = false) {
    if (!this.other) return;
    const { found } = this.other;
    this.other.close();
    this.other = null;
    this.beside.hidden = true;
    delete this.frame.dataset.compared;
    show(this.beside);
    this.frame.classList.remove("compared");
    this.scene.changed();
    if (byHand) this.does.left(found);
  }
}

/** The answer beside the question. */
class Beside {
  constructor(found, stage, match) {
    Object.assign(this, { found, stage, match, scene: new Scene(), link: null, around: 0 });
    this.scene.tool = "pan";
    this.scene.showsCrosshair = stage.scene.showsCrosshair;
    this.scene.showsRegions = stage.scene.showsRegions;
    const keys = { toggle: (name) => stage.toggle(name), link: () => stage.setLinked(!stage.isLinked), centre: () => stage.centre(), window: (step) => stage.nextWindow(step) };
    this.views = [new View(this.scene, 0, comparedWith(found), keys)];
    this.state = element("p", { class: "quiet beside-state", role: "status" }, WORDS.loadingImages);
    this.loading = new AbortController();
    this.unhear = stage.scene.listen((what) => what === "window" && this.sameWindow());
  }

  async open(regionOf) {
    const { found, scene } = this;
    const begin = (volume) => this.matched(volume) || found.region?.centroid_lps || volume.grid.toLps(volume.grid.middle());
    const region = found.region ? regionOf(found).catch(() => null) : null;
    try {
      const told = await pictureOf(found.case).catch(() => null);
      if (told && !scene.volume && !this.match) this.put(volumeOfPicture(told), begin);
      await load({
        study: found.study, series: found.series, number: found.volume_number, signal: this.loading.signal,
        opened: (volume) => volume.grid.toIndex(begin(volume))[0],
        came: async (volume) => {
          if (scene.volume !== volume) {
            this.put(volume, begin);
            this.anchor(volume);
            this.link = linkOf(this.stage, this);
          }
          this.state.textContent = volume.isWhole ? "" : loadedPart(volume.loaded, volume.grid.shape[0]);
          scene.changed("voxels");
        },
      });
      const outlined = await region;
      if (outlined && scene.volume) {
        scene.regions = [{ ...outlined, kind: "answer" }];
        this.around = outlined.around;
        this.link = linkOf(this.stage, this);
        scene.changed();
        this.stage.centre();
      }
      afterDrawing(() => {
        if (this.stage.other === this) this.stage.frame.dataset.compared = found.case;
      });
    } catch (error) {
      if (!this.loading.signal.aborted) this.state.textContent = error.message || WORDS.workerAway;
    }
  }

  /** The place of the frame that matches; null without a match, or before frames are known. */
  matched(volume) {
    const k = this.match ? volume.sliceOf(this.match.found) : -1;
    const [, j, i] = volume.grid.middle();
    return k < 0 ? null : volume.grid.toLps([k, j, i]);
  }

  /** Show both matching slices, and scroll on from there. */
  anchor(volume) {
    const asked = this.stage.scene;
    const [here, there] = this.match ? [asked.volume?.sliceOf(this.match.asked) ?? -1, volume.sliceOf(this.match.found)] : [-1, -1];
    if (here < 0 || there < 0 || asked.volume.planes[0].name !== volume.planes[0].name) return;
    asked.anchor = here;
    this.scene.anchor = there;
    asked.step(0, here - Math.round(asked.cursor[0]));
  }

  put(volume, begin) {
    const asked = this.stage.scene;
    const window = asked.volume ? carried(asked.window, asked.volume, volume) : presets(volume.unit, volume.range)[0];
    this.scene.open(volume, window, volume.grid.toIndex(begin(volume)));
  }

  sameWindow() {
    const asked = this.stage.scene;
    if (this.scene.volume && asked.volume) this.scene.setWindow(carried(asked.window, asked.volume, this.scene.volume));
  }

  centre(field) {
    const place = this.scene.regions[0]?.centroid || this.found.region?.centroid_lps;
    if (!place) return;
    if (!this.stage.isLinked) this.scene.goTo(place);
    this.views.forEach((view) => view.zoomTo(place, field));
  }

  close() {
    this.stage.scene.anchor = null;
    this.loading.abort();
    this.unhear();
    this.link?.close();
    this.views.forEach((view) => view.close());
  }
}

/** Call `then` when what was changed is on the screen. */
export const afterDrawing = (then) => window.requestAnimationFrame(() => window.requestAnimationFrame(then));

/** A key picture as a volume of one slice, on its own place in the patient. */
export function volumeOfPicture(told) {
  const { rows, columns, spacing_mm: [down, across] } = told;
  const depth = Math.hypot(...told.affine.slice(0, 3).map((row) => row[0]));
  const volume = new Volume({ ...told, shape: [1, rows, columns], spacing_mm: [depth, down, across] });
  volume.take(0, voxelsOf(told.voxels));
  return volume;
}

export function voxelsOf(base64) {
  const text = window.atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new Int16Array(bytes.buffer);
}

function keyHelp() {
  return element(
    "details",
    { class: "keys" },
    element("summary", {}, WORDS.keys),
    element("dl", { class: "facts", id: "keys" }, KEYS.help.map(([keys, act]) => [element("dt", {}, keys), element("dd", {}, act)])),
  );
}
