// What the views of one series share: volume, cursor, window, masks and prompts. Whoever draws listens.

import { table } from "./grey.js";

export class Scene {
  constructor() {
    this.volume = null;
    this.cursor = [0, 0, 0];
    this.window = null;
    this.greys = new Uint32Array(65536);
    /** {mask, kind, name}: what is outlined */
    this.regions = [];
    /** {lps, positive} and {lower_lps, upper_lps} */
    this.points = [];
    this.box = null;
    this.showsRegions = true;
    this.showsCrosshair = false;
    this.tool = "point";
    this.isNegative = false;
    /** the slice that another series is scrolled along with from; null for what the regions say */
    this.anchor = null;
    this.version = 0;
    this.listeners = new Set();
  }

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed(what = "view") {
    this.listeners.forEach((listener) => listener(what));
  }

  open(volume, window, cursor) {
    this.volume = volume;
    this.cursor = volume.grid.held(cursor);
    this.setWindow(window);
  }

  setWindow(window) {
    this.window = window;
    table(this.volume.scale, window, this.greys);
    this.version += 1;
    this.changed("window");
  }

  setCursor(index) {
    const held = this.volume.grid.held(index);
    if (held.every((value, axis) => value === this.cursor[axis])) return;
    this.cursor = held;
    this.changed("cursor");
  }

  /** Go `steps` slices along an axis. */
  step(axis, steps) {
    const index = [...this.cursor];
    index[axis] = Math.round(index[axis]) + steps;
    this.setCursor(index);
  }

  goTo(lps) {
    this.setCursor(this.volume.grid.toIndex(lps));
  }
}
