// Key images, rendered by Orthanc's own DICOMweb (PS3.18 8.3.5 Retrieve Rendered); no image code of ours.

import { element } from "./dom.js";
import { WORDS } from "./strings.js";

const SIZE = 256;
// centre and width, HU; other modalities are stretched from their darkest to their brightest voxel
const CT_WINDOW = "40,400,linear";
const LUNG_WINDOW = "-500,1500,linear";

const made = new Map();

/** Return a figure that shows the case's key frame as soon as Orthanc has rendered it. */
export function picture(found, links) {
  const frame = element("figure", { class: "picture" });
  rendered(address(found, links))
    .then((url) => frame.replaceChildren(element("img", { src: url, alt: alternative(found), width: SIZE, height: SIZE })))
    .catch(() => frame.replaceChildren(element("span", { class: "quiet" }, WORDS.noPicture)));
  return frame;
}

function address(found, links) {
  const { instance, frame } = found.key_frame;
  // put together by hand: Orthanc 1.10 does not decode the %2C that URLSearchParams makes of a comma
  const range = found.modality === "CT" ? `&window=${ofChest(found) ? LUNG_WINDOW : CT_WINDOW}` : "";
  const at = `${links.dicomweb}/studies/${found.study}/series/${found.series}/instances/${instance}`;
  return `${at}/frames/${frame || 1}/rendered?viewport=${SIZE},${SIZE}${range}`;
}

const ofChest = (found) => /CHEST|LUNG|THORAX/i.test(found.body_part_examined || "");

const alternative = (found) =>
  [WORDS.pictureOf, found.modality, found.region?.finding?.meaning].filter(Boolean).join(", ");

/** Return an object URL. The image is fetched, not linked: Orthanc 1.10 refuses a browser's own Accept for images. */
function rendered(url) {
  if (!made.has(url)) {
    const answer = fetch(url, { headers: { Accept: "image/jpeg" } }).then(async (response) => {
      if (!response.ok) throw new Error(response.statusText);
      return URL.createObjectURL(await response.blob());
    });
    made.set(url, answer);
    answer.catch(() => made.delete(url));
  }
  return made.get(url);
}
