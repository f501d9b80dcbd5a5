/* Similar Cases: a link on the study and series pages of the classic Orthanc Explorer. */
(function () {
  "use strict";
  var page = "../" + SIMILAR_CASES_ROUTE + "/?";

  function addLink(level, query) {
    var id = "similar-cases-" + level;
    $("#" + level).live("pagebeforecreate", function () {
      var link = $("<a>").attr({
        id: id, href: "#", target: "_blank", rel: "noopener", "data-role": "button", "data-icon": "search", "data-ajax": "false"
      }).text("Similar cases");
      link.insertBefore($("#" + level + "-delete").parent().parent());
    });
    $("#" + level).live("pagebeforeshow", function () {
      $("#" + id).attr("href", "#");
      if ($.mobile.pageData) {
        query(encodeURIComponent($.mobile.pageData.uuid), function (text) {
          $("#" + id).attr("href", page + text);
        });
      }
    });
  }

  function uid(resource, name) {
    return encodeURIComponent(resource.MainDicomTags[name] || "");
  }

  addLink("study", function (orthancId, then) {
    $.getJSON("../studies/" + orthancId, function (study) {
      then("StudyInstanceUIDs=" + uid(study, "StudyInstanceUID"));
    });
  });

  addLink("series", function (orthancId, then) {
    $.getJSON("../series/" + orthancId, function (series) {
      $.getJSON("../studies/" + encodeURIComponent(series.ParentStudy), function (study) {
        then("StudyInstanceUIDs=" + uid(study, "StudyInstanceUID") +
             "&SeriesInstanceUID=" + uid(series, "SeriesInstanceUID"));
      });
    });
  });
}());
