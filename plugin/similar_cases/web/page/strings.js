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
  regions: "Regions",
  wholeSeries: "Whole series",
  measurement: "Measurement",
  openBeside: "Open beside",
  noRegions: "No regions: nothing in the archive marks one in this series.",
  similar: "Similar cases",
  noSimilar: "No similar case in the archive. By default the same patient's are left out.",
  searching: "Finding similar cases …",
  retry: "Try again",
  hurry: "Process first",
  openInOrthanc: "Open in Orthanc",
  thisPage: "Find similar to this",
  score: "Score",
  reasons: "Why",
  finding: "Finding",
  site: "Site",
  size: "Volume",
  notes: "Notes",
  timings: "Where the time went",
  noPicture: "No picture",
  pictureOf: "Key image",
  unknownSeries: "The archive's index does not know this series. It appears seconds after Orthanc calls it stable.",
  workerAway: "The worker does not answer. This page asks again by itself.",
  loading: "Loading …",
  undated: "undated",
};

export const AUTHORS = {
  MANUAL: "by an expert",
  SEMIAUTOMATIC: "by an algorithm, from a hint",
  AUTOMATIC: "by an algorithm",
};

export const SEXES = { F: "female", M: "male", O: "other" };

export const PARTS = {
  appearance: "Appearance",
  radiomics: "Radiomics",
  location: "Position",
  slices: "Slices",
};

export const placeInQueue = (place) => (place === 0 ? "next in the queue" : `${place} before it in the queue`);
export const attempts = (count) => (count === 1 ? "1 attempt" : `${count} attempts`);
export const ofMany = (shown, total) => `${shown} of ${total}`;
export const candidates = (count) => `${count} candidates compared`;
export const years = (age) => `${Math.floor(age)} y`;
export const millilitres = (ml) => `${ml < 10 ? ml.toFixed(1) : Math.round(ml)} ml`;
export const seconds = (value) => `${value.toFixed(value < 1 ? 2 : 1)} s`;
export const volumeNumber = (number) => `volume ${number + 1}`;
export const percent = (value) => `${Math.round(value * 100)} %`;
export const stateNow = (state) => `The series is ${state} now.`;
export const foundMany = (count) => (count === 1 ? "1 similar case." : `${count} similar cases.`);
export const date = (dicomDate) =>
  /^\d{8}$/.test(dicomDate || "")
    ? `${dicomDate.slice(0, 4)}-${dicomDate.slice(4, 6)}-${dicomDate.slice(6, 8)}`
    : WORDS.undated;
