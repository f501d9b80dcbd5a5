// Reads what the address asks for, in the words of other viewers: ?StudyInstanceUIDs=…&SeriesInstanceUIDs=…

import { showArchive } from "./archive.js";
import { showSeries } from "./series.js";

const UID = /^[0-9.]{1,64}$/;
const parameters = new URLSearchParams(window.location.search);
const first = (...names) => {
  const given = names.map((name) => parameters.get(name) || "").find(Boolean) || "";
  const value = given.split(",")[0].trim();
  return UID.test(value) ? value : "";
};
const study = first("StudyInstanceUIDs", "StudyInstanceUID");
const series = first("SeriesInstanceUIDs", "SeriesInstanceUID");
const isEmbedded = parameters.get("embedded") === "1" && window.parent !== window;
const main = document.getElementById("content");

// a bare fragment would count from the page's base, and lose the query
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
if (isEmbedded) document.body.classList.add("embedded");

if (isEmbedded || (study && series)) showSeries(main, study, series, isEmbedded);
else showArchive(main, study);
