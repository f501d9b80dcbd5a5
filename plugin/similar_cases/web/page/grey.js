// From 16-bit values to grey: windows, presets by unit, and the table that a slice is painted through.

import { WINDOWS } from "./strings.js";

export const HU = "[hnsf'U]";
export const SUV = "g/ml{SUVbw}";

const window = (name, low, high, invert = false) => ({ name, centre: (low + high) / 2, width: high - low, invert });

/** The presets of a unit; where the unit says nothing, parts of the range from the darkest to the brightest. */
export function presets(unit, range) {
  if (unit === HU) {
    return [
      window(WINDOWS.soft, -160, 240),
      window(WINDOWS.lung, -1350, 150),
      window(WINDOWS.bone, -450, 1050),
      window(WINDOWS.brain, 0, 80),
      window(WINDOWS.liver, -20, 180),
    ];
  }
  if (unit === SUV) {
    return [window(WINDOWS.suv10, 0, 10, true), window(WINDOWS.suv5, 0, 5, true), window(WINDOWS.suv20, 0, 20, true)];
  }
  const [low, high] = range;
  const part = (name, from, to) => window(name, low + (high - low) * from, low + (high - low) * to);
  return [part(WINDOWS.whole, 0, 1), part(WINDOWS.bright, 0, 0.6), part(WINDOWS.wide, -0.1, 1.6)];
}

/** The preset to begin with: lungs are not seen through a window for soft tissue. */
export function firstWindow(unit, range, bodyPart) {
  const all = presets(unit, range);
  return unit === HU && /CHEST|LUNG|THORAX/i.test(bodyPart || "") ? all[1] : all[0];
}

/** A window of one picture for another: the same numbers where the unit means something, else the same share. */
export function carried(chosen, from, to) {
  if (!chosen || from.unit !== to.unit) return presets(to.unit, to.range)[0];
  if ([HU, SUV].includes(to.unit)) return chosen;
  const [low, high] = from.range;
  const [below, above] = to.range;
  const share = (above - below) / (high - low);
  return { ...chosen, centre: below + (chosen.centre - low) * share, width: chosen.width * share };
}

/** A table from stored value + 32768 to a pixel, little-endian RGBA. */
export function table(scale, chosen, into = new Uint32Array(65536)) {
  const low = chosen.centre - chosen.width / 2;
  const factor = 255 / Math.max(chosen.width, 1e-9);
  const start = (scale.intercept - 32768 * scale.slope - low) * factor;
  const step = scale.slope * factor;
  for (let n = 0; n < 65536; n += 1) {
    let grey = start + n * step;
    grey = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
    if (chosen.invert) grey = 255 - grey;
    into[n] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return into;
}
