// Every word that the page shows, in one place.

export const STATES = {
  waiting: "waiting",
  working: "working",
  indexed: "indexed",
  refused: "refused",
  failed: "failed",
};

// an annotation that is indexed is known to its images; nothing is similar to it
export const LINKED = "linked";

export const SPACES = { region: "Regions by", series: "Series by" };

export const WORDS = {
  archive: "Archive",
  all: "all",
  modality: "Modality",
  description: "Description",
  date: "Date",
  state: "State",
  reason: "Reason",
  reasonOrTime: "Reason, or time taken",
  instances: "Instances",
  open: "Find similar",
  noSeries: "No series here yet. Send a study to Orthanc, and it appears by itself.",
  noSeriesInState: "No series in this state.",
  further: "Further",
  back: "Back",
  series: "Series",
  study: "Study",
  patient: "Patient",
  region: "Region",
  regions: "Regions and images that can be asked about",
  wholeSeries: "Whole series",
  noRegions: "The archive marks no region in this series.",
  question: "Question",
  similar: "Similar cases",
  noSimilar: "No similar case that satisfies the filters. By default the same patient's are left out.",
  find: "Find",
  findByWords: "Find by words",
  noneByWords: "No caption or report of the archive has these words.",
  nothingAsked: "The ten most similar cases come here.",
  searching: "Finding similar cases …",
  segmenting: "Finding the region …",
  here: {
    begin: "Click a lesion in the images, or choose a region.",
    correct: "Click again to add; right-click, or Shift and click, to take away.",
  },
  inViewer: {
    begin: "Measure a lesion in the viewer, or choose a region.",
    correct: "Found by what was measured in the viewer. Another measurement asks anew.",
  },
  firstInside: "First show a place inside the lesion; then what is outside of it.",
  undo: "Undo",
  startOver: "Start over",
  retry: "Try again",
  hurry: "Process first",
  act: "Act",
  openInOrthanc: "Open in Orthanc",
  openInViewer: "Open beside",
  thisPage: "Find similar to this",
  score: "Score",
  reasons: "Why",
  finding: "Finding",
  size: "Volume",
  label: "Label",
  drawn: "Drawn",
  manufacturer: "Manufacturer",
  more: "More",
  notes: "Notes",
  unknownSeries: "The archive's index does not know this series. It appears seconds after Orthanc calls it stable.",
  workerAway: "The worker does not answer. This page asks again by itself.",
  noRights: "Orthanc does not let you see this. Log in as somebody who may.",
  loading: "Loading …",
  loadingImages: "Loading images …",
  workingNow: "being processed now",
  undated: "undated",
  images: "Images",
  imageView: "image view",
  tools: "Tools",
  tool: "What a click does",
  window: "Window",
  ownWindow: "By hand",
  volume: "Volume",
  volumeChoice: "Volume of this series",
  keys: "Keys",
  close: "Close",
  keySlice: "Key slice",
  filters: "Filters",
  radiomics: "Radiomics",
  noRadiomics: "Radiomics are measured of regions; there are none here.",
  feature: "Feature",
  asked: "Question",
  exportCsv: "Export CSV",
  copy: "Copy",
  copied: "Copied.",
  notCopied: "The browser did not allow copying.",
  kept: "Kept. Thank you.",
  takenBack: "Taken back.",
  queue: "Queue and index",
  done: "Done",
  throughput: "In the last hour",
  cases: "Cases",
  models: "Models",
  version: "Version",
  results: "SEG and SR written",
  feedback: "Feedback",
  feedbackCsv: "All feedback as CSV",
  left: "Left",
  retryAll: "Try all of these again",
  nothingWorks: "Nothing is being processed.",
  now: "Being processed",
  segmenter: "Outlines by",
  seriesAsked: "The whole series is compared, slice by slice.",
};

export const WINDOWS = {
  soft: "Soft tissue",
  lung: "Lung",
  bone: "Bone",
  brain: "Brain",
  liver: "Liver",
  suv5: "SUV 0–5",
  suv10: "SUV 0–10",
  suv20: "SUV 0–20",
  whole: "Whole range",
  bright: "Brighter",
  wide: "Darker",
};

export const KEYS = {
  tools: {
    point: { text: "Point", title: "Click inside a lesion; drag to move the image" },
    box: { text: "Box", title: "Drag a box round a lesion, or click two of its corners" },
    window: { text: "Window", title: "Drag to change brightness and contrast; the right button always does" },
    pan: { text: "Move", title: "Drag to move the image, or click what should be in the middle; the middle button always does" },
  },
  outside: { text: "− Outside", title: "The next points lie outside the lesion; so do right-clicks, and clicks with Shift" },
  regions: { text: "Outlines", title: "Show or hide outlines (O)" },
  crosshair: { text: "Crosshair", title: "Show or hide the crosshair (C)" },
  zoomOut: { text: "−", label: "Zoom out", title: "Zoom out (−)" },
  zoomIn: { text: "+", label: "Zoom in", title: "Zoom in (+)" },
  fit: { text: "Fit", title: "The whole image (0)" },
  centre: { text: "Region", title: "The region in the middle, from near (G)" },
  link: { text: "Linked", title: "Scroll both together, by anatomy (L)" },
  units: { "[hnsf'U]": "HU", "g/ml{SUVbw}": "SUV", "Bq/ml": "Bq/ml", 1: "" },
  help: [
    ["Wheel, Page Up, Page Down", "slices; with Shift ten at a time"],
    ["Home, End", "first and last slice"],
    ["Arrows", "move the crosshair; with Shift ten pixels"],
    ["Enter", "a point inside, at the crosshair"],
    ["N, Shift and Enter", "a point outside, at the crosshair"],
    ["B, move, B", "a box from corner to corner"],
    ["Backspace", "take the last point back"],
    ["+, −, 0", "zoom in, zoom out, the whole image"],
    ["1 to 9, W", "a window of the list, the next one"],
    ["A, S; D, F", "more, less contrast; darker, brighter"],
    ["O, C, G, L", "outlines, crosshair, region, linked"],
    ["Ctrl and wheel, two fingers", "zoom"],
  ],
};

export const AUTHORS = {
  MANUAL: "drawn by an expert",
  SEMIAUTOMATIC: "drawn by an algorithm, from a hint",
  AUTOMATIC: "drawn by an algorithm",
};

export const SEXES = { F: "female", M: "male", O: "other" };

export const PARTS = {
  appearance: "Appearance",
  radiomics: "Radiomics",
  location: "Place",
  words: "Words",
  slices: "Slices",
  matching: "Slice by slice",
};

export const VERDICTS = { alike: "Alike", not_alike: "Not alike" };

export const CHIPS = {
  anyAge: "Any age",
  samePatient: "Same patient too",
  clear: "Clear filters",
  labels: { ages: "Age", years: "Study date" },
  years: (span) => (span === 0 ? "Any date" : span === 1 ? "Last year" : `Last ${span} years`),
};

export const WISHES = {
  title: "More ways to ask",
  words: "Words",
  wordsExample: "large necrotic mass in the thigh",
  place: "At this place in the body",
  onePerStudy: "One per study",
  ranking: "Ranked by",
  measured: "Measurements that answers should have",
  percentile: "percentile",
  clear: "Take all of these back",
  modes: { any: "any", same: "as here", chosen: "chosen" },
};

/** Radiomics features that a reader can name, by pyradiomics' names. */
export const FEATURES = {
  shape_MeshVolume: "Volume",
  shape_Sphericity: "Roundness",
  firstorder_Mean: "Brightness",
  firstorder_Entropy: "Variety of greys",
  glcm_Contrast: "Roughness",
};

/** Rankings that a reader can choose; `of` is what they ask about, where they do not take both. */
export const RANKINGS = [
  { name: "", text: "Ranked as usual" },
  { name: "appearance", text: "By appearance alone" },
  { name: "radiomics", text: "By radiomics alone", of: "region" },
  { name: "calibrated", text: "By how far from chance" },
  { name: "learned", text: "As learnt from verdicts" },
  { name: "volume-median", text: "By all slices pooled", of: "series" },
  { name: "slices-frequency", text: "By votes of slices", of: "series" },
  { name: "reranked", text: "Slice against slice (MaxSim)", of: "series" },
];

const CLASSES = {
  shape: "Shape",
  firstorder: "Intensity",
  glcm: "Texture: co-occurrence (GLCM)",
  glrlm: "Texture: run length (GLRLM)",
  glszm: "Texture: size zones (GLSZM)",
  gldm: "Texture: dependence (GLDM)",
  ngtdm: "Texture: neighbourhood (NGTDM)",
};

export const agesAround = (age, span) => `Age ${Math.max(0, Math.floor(age) - span)}–${Math.floor(age) + span}`;
export const sameBodyPart = (part) => `Same body part (${plainPart(part)})`;
export const placeInQueue = (place) => (place === 0 ? "next in the queue" : `${place} before it in the queue`);
export const attempts = (count) => (count === 1 ? "1 attempt" : `${count} attempts`);
export const ofMany = (shown, total) => `${shown} of ${total}`;
export const candidates = (count) => (count === 1 ? "1 case compared" : `${count} cases compared`);
export const years = (age) => `${Math.floor(age)} y`;
export const millilitres = (ml) => `${ml < 10 ? ml.toFixed(1) : Math.round(ml)} ml`;
export const sizes = (mm) => `${[...mm].sort((a, b) => b - a).map((one) => Math.round(one)).join(" × ")} mm`;
export const seconds = (value) => `${value.toFixed(value < 1 ? 2 : 1)} s`;
export const volumeNumber = (number) => `volume ${number + 1}`;
export const percent = (value) => `${Math.round(value * 100)} %`;
export const stateNow = (state) => `The series is ${state} now.`;
export const foundMany = (count) => (count === 1 ? "1 similar case." : `${count} similar cases.`);
export const atPercentile = (value) => (value === 0 ? "lowest" : value === 100 ? "highest" : `${value}th percentile`);
export const examplesOf = (like, unlike) =>
  like || unlike ? `Like what you judged (${like} alike, ${unlike} not)` : "Like what you judge alike";
export const sureOf = ({ chance, pairs }) =>
  chance * pairs < 1 ? `None of ${pairs} random pairs is so similar` : `${chance < 0.01 ? (chance * 100).toPrecision(1) : Math.round(chance * 100)} % of random pairs are so similar`;
export const matchOf = (number, similarity) => `Slice match ${number}${similarity === undefined ? "" : ` (${percent(similarity)})`}`;
export const regionOf = (told) => `Region of ${millilitres(told.volume_ml)}, ${sizes(told.size_mm)}.`;
export const loadedPart = (loaded, total) => `${loaded} of ${total} slices loaded`;
export const sliceOf = (plane, number, total) => `${plane} ${number} / ${total}`;
export const viewName = (number) => ["Images as acquired", "Second plane", "Third plane"][number];
export const slicesOf = (name) => `Slices: ${name}`;
export const planeName = (name) => ({ axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" })[name];
export const openBeside = (name) => `Compare with ${name}`;
export const findLike = (name) => `Find similar to ${name}`;
export const comparedWith = (found) => [`Case ${found.rank}`, found.modality, date(found.study_date)].filter(Boolean).join(" · ");
export const openIn = (viewer) => `Open in ${viewer}`;
export const judgeOf = (rank) => `Is case ${rank} alike?`;
export const ruler = (mm) => (mm >= 10 ? `${mm / 10} cm` : `${mm} mm`);
export const measured = (kind) => CLASSES[kind] || kind;
export const featureName = (name) => name.slice(name.indexOf("_") + 1).replaceAll(/([a-z])([A-Z])/g, "$1 $2");
export const shortNumber = (value) =>
  value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
export const lastHour = (count, spent) => (count ? `${count} series, ${seconds(spent / count)} each` : "no series");
export const casesOf = ({ region = 0, series = 0 }) => `${region} regions, ${series} volumes`;
export const workedFor = (since) => `for ${Math.max(0, Math.round(Date.now() / 1000 - since))} s`;
export const instances = (count) => (count === 1 ? "1 instance" : `${count} instances`);
export const triedAgain = (count) => `${count} series are tried again.`;
export const roughly = (spent) => (spent < 90 ? "about a minute" : spent < 5400 ? `about ${Math.round(spent / 60)} minutes` : `about ${Math.round(spent / 3600)} hours`);
export const doneOf = (done, total) => `${done} of ${total} series done`;
export const findingOf = (region, found) =>
  [region?.finding?.meaning, region?.finding_site?.meaning || plainPart(found.body_part_examined), region?.volume_ml !== undefined ? millilitres(region.volume_ml) : ""]
    .filter(Boolean)
    .join(" · ");
export const troubleOf = (error) =>
  [401, 403].includes(error.status) ? WORDS.noRights : [0, 503, 504].includes(error.status) ? WORDS.workerAway : error.message || WORDS.workerAway;
/** Descriptions in one line; one that says what another says already is left out. */
export const joined = (...texts) => {
  const told = texts.filter(Boolean);
  return told.filter((text, at) => !told.some((other, place) => place !== at && (other.length > text.length || (other === text && place < at)) && other.includes(text))).join(" · ");
};
/** A body part as DICOM writes it (EXTREMITY), as people do. */
export const plainPart = (part) => (part && part === part.toUpperCase() ? part[0] + part.slice(1).toLowerCase() : part || "");
export const vectors = (count) => (count === 1 ? "1 vector" : `${count} vectors`);
export const windowOf = ({ centre, width }) => `C ${shortWhole(centre)} W ${shortWhole(width)}`;
const shortWhole = (value) => (Math.abs(value) >= 20 ? String(Math.round(value)) : String(Number(value.toPrecision(3))));
export const date = (dicomDate) =>
  /^\d{8}$/.test(dicomDate || "")
    ? `${dicomDate.slice(0, 4)}-${dicomDate.slice(4, 6)}-${dicomDate.slice(6, 8)}`
    : WORDS.undated;
