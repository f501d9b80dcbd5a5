// Mouse, touch and keyboard on a view. Nothing can be done by one of them alone.

/** A hand that moved less than this clicked, pixels. */
const STILL = 5;
const WHEEL_SLICE = 40;

export function hands(view) {
  const { canvas } = view;
  const fingers = new Map();
  let wheel = 0;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  sliding(view);
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener("pointerdown", (event) => {
    if (!view.scene.volume) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    fingers.set(event.pointerId, at(event));
    view.drag = { from: at(event), last: at(event), act: actOf(view, event), moved: fingers.size > 1, shift: event.shiftKey };
    event.preventDefault();
  });

  canvas.addEventListener("pointermove", (event) => {
    const drag = view.drag;
    if (!drag || !fingers.has(event.pointerId)) {
      if (view.scene.volume) hover(view, view.placeAt(...at(event)));
      return;
    }
    const before = fingers.get(event.pointerId);
    const now = at(event);
    if (fingers.size > 1) pinch(view, fingers, event.pointerId, now);
    else if (drag.moved || distance(drag.from, now) > STILL) {
      drag.moved = true;
      move(view, drag, before, now);
    }
    fingers.set(event.pointerId, now);
  });

  const ended = (event) => {
    const drag = view.drag;
    fingers.delete(event.pointerId);
    if (!drag || fingers.size) return;
    view.drag = null;
    if (event.type === "pointercancel") return view.ask();
    if (drag.act === "box" && drag.box) {
      Object.assign(view, { boxStart: null, boxEnd: null });
      finishBox(view, view.placeAt(...drag.from), view.placeAt(...at(event)));
    }
    else if (!drag.moved) click(view, drag, at(event));
    view.ask();
  };
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  canvas.addEventListener("pointerleave", () => view.does.hover?.(null));

  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!view.scene.volume) return;
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) return view.zoomBy(Math.exp(-event.deltaY / 300), ...at(event));
      wheel += event.deltaMode === 1 ? event.deltaY * WHEEL_SLICE : event.deltaY;
      const steps = Math.trunc(wheel / WHEEL_SLICE);
      if (!steps) return;
      wheel -= steps * WHEEL_SLICE;
      view.scene.step(view.plane.axis, Math.max(-10, Math.min(10, steps)));
    },
    { passive: false },
  );

  canvas.addEventListener("keydown", (event) => {
    if (!view.scene.volume || event.ctrlKey || event.metaKey || event.altKey) return;
    if (key(view, event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
}

const distance = ([x1, y1], [x2, y2]) => Math.hypot(x2 - x1, y2 - y1);

/** The slider beside a view goes through its slices; down is further, as the wheel has it. */
function sliding(view) {
  const { slider } = view;
  const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e6, End: 1e6 };
  const go = (count) => view.scene.volume && view.scene.step(view.plane.axis, count);
  slider.addEventListener("input", () => go(Number(slider.value) - view.at));
  slider.addEventListener("keydown", (event) => {
    if (!steps[event.key]) return;
    event.preventDefault();
    go(steps[event.key]);
  });
}

function hover(view, place) {
  view.does.hover?.(view.indexOf(place));
  if (!view.boxEnd) return;
  view.boxEnd = place;
  view.ask();
}

function actOf(view, event) {
  if (event.pointerType === "touch" && view.scene.tool === "point") return "touch";
  if (event.button === 1) return "pan";
  if (event.button === 2) return "right";
  return { point: "pan", box: "box", window: "window", pan: "pan" }[view.scene.tool];
}

function move(view, drag, [x1, y1], [x2, y2]) {
  const { scene } = view;
  if (drag.act === "box") {
    drag.box = [...drag.from, x2, y2];
    return view.ask();
  }
  if (drag.act === "pan") return view.panBy(x2 - x1, y2 - y1);
  if (drag.act === "touch") {
    drag.rest = (drag.rest || 0) + (y2 - y1);
    const steps = Math.trunc(drag.rest / 8);
    drag.rest -= steps * 8;
    return steps && scene.step(view.plane.axis, steps);
  }
  // the right button, or the window tool: to the right is wider, down is a higher centre, as other viewers have it
  return windowBy(scene, (x2 - x1) / 150, (y2 - y1) / 300);
}

/** Make the window wider and its centre higher, by shares of its width. */
function windowBy(scene, wider, higher) {
  const { window } = scene;
  const width = Math.max(window.width, 1e-6);
  scene.setWindow({ ...window, name: "", width: width * Math.max(1 + wider, 1 / 300), centre: window.centre + higher * width });
}

function pinch(view, fingers, id, now) {
  const [other] = [...fingers].filter(([finger]) => finger !== id).map(([, place]) => place);
  const before = fingers.get(id);
  const middle = (place) => [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2];
  const factor = distance(now, other) / Math.max(distance(before, other), 1);
  const [from, to] = [middle(before), middle(now)];
  view.drag.moved = true;
  view.panBy(to[0] - from[0], to[1] - from[1]);
  view.zoomBy(factor, ...to);
}

function click(view, drag, [x, y]) {
  const { scene } = view;
  const index = view.indexOf(view.placeAt(x, y));
  const inside = scene.volume.grid.held(index).every((value, axis) => Math.abs(value - index[axis]) <= 0.5);
  if (!inside) return;
  scene.setCursor(index);
  // what can be dragged can be clicked, too: a box by two corners, the picture by its new middle
  if (drag.act === "box") return boxCorner(view, view.placeAt(x, y));
  if (scene.tool === "pan" && drag.act === "pan" && view.does.point) return view.lookAt(view.placeAt(x, y));
  const places = scene.tool === "point" || drag.act === "right";
  if (!places) return undefined;
  const positive = !(drag.act === "right" || drag.shift || scene.isNegative);
  return view.does.point?.(scene.volume.grid.toLps(scene.cursor), positive);
}

/** A box in a plane is as deep as half of its sides together, half of that to each side of the slice. */
function finishBox(view, a, b) {
  const { grid } = view.scene.volume;
  const [one, other] = [view.indexOf(a), view.indexOf(b)].map((index) => grid.held(index));
  const [width, height] = [Math.abs(a[0] - b[0]) * view.spacing[0], Math.abs(a[1] - b[1]) * view.spacing[1]];
  if (width < 1 || height < 1) return;
  const { axis } = view.plane;
  const depth = (width + height) / 4 / grid.spacing[axis];
  const lower = [0, 1, 2].map((at) => (at === axis ? view.at - depth : Math.min(one[at], other[at])));
  const upper = [0, 1, 2].map((at) => (at === axis ? view.at + depth : Math.max(one[at], other[at])));
  const box = grid.boxLps(lower, upper);
  view.does.box?.(box.lower, box.upper);
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Return whether the key meant something. */
function key(view, event) {
  const { scene } = view;
  const { axis } = view.plane;
  if (MOVES[event.key]) {
    const [dx, dy] = MOVES[event.key].map((step) => step * (event.shiftKey ? 10 : 1));
    const [x, y] = view.pixelOf(scene.cursor);
    const index = view.indexOf([x + dx, y + dy]);
    index[axis] = scene.cursor[axis];
    scene.showsCrosshair = true;
    scene.setCursor(index);
    view.reveal();
    return true;
  }
  const acts = {
    PageDown: () => scene.step(axis, event.shiftKey ? 10 : 1),
    PageUp: () => scene.step(axis, event.shiftKey ? -10 : -1),
    Home: () => scene.step(axis, -1e6),
    End: () => scene.step(axis, 1e6),
    Enter: () => view.does.point?.(scene.volume.grid.toLps(scene.cursor), !(event.shiftKey || scene.isNegative)),
    n: () => view.does.point?.(scene.volume.grid.toLps(scene.cursor), false),
    b: () => boxCorner(view, view.pixelOf(scene.cursor), null),
    Backspace: () => view.does.undo?.(),
    Escape: () => {
      Object.assign(view, { boxStart: null, boxEnd: null });
      view.ask();
    },
    "+": () => view.zoomBy(1.25),
    "=": () => view.zoomBy(1.25),
    "-": () => view.zoomBy(0.8),
    0: () => view.fit(),
    w: () => view.does.window?.(1),
    a: () => windowBy(scene, -0.1, 0),
    s: () => windowBy(scene, 0.1, 0),
    d: () => windowBy(scene, 0, scene.window.invert ? -0.05 : 0.05),
    f: () => windowBy(scene, 0, scene.window.invert ? 0.05 : -0.05),
    o: () => view.does.toggle?.("showsRegions"),
    c: () => view.does.toggle?.("showsCrosshair"),
    g: () => view.does.centre?.(),
    l: () => view.does.link?.(),
  };
  const preset = /^[1-9]$/.test(event.key) && view.does.preset;
  const act = preset ? () => preset(Number(event.key)) : acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (event.key === "Escape" && !view.boxStart)) return false;
  act();
  return true;
}

/** A corner of a box, by key or click: the first begins it, the second ends it. */
function boxCorner(view, corner, end = corner) {
  const start = view.boxStart;
  Object.assign(view, start ? { boxStart: null, boxEnd: null } : { boxStart: corner, boxEnd: end });
  if (start) finishBox(view, start, corner);
  view.ask();
}
