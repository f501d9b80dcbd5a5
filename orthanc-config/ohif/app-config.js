// OHIF 3.12 on Orthanc, with Similar Cases. Served as /app-config.js by nginx.conf beside this file.
// What each entry is for stands in README.md beside this file.

const SIMILAR_CASES = {
  panel: '@similar-cases/ohif-extension.panelModule.similarCases',
  button: {
    id: 'SimilarCases',
    uiType: 'ohif.toolButton',
    props: {
      icon: 'Search',
      label: 'Find similar',
      tooltip: 'Find similar cases: for the measurement, or for the series',
      commands: 'findSimilarCases',
      evaluate: 'evaluate.action',
    },
  },
};

window.config = {
  name: 'similar-cases',
  routerBasename: null,
  showStudyList: true,
  // a name is imported as a module, and its default export registered beside the built-in extensions
  extensions: ['/similar-cases-extension.js'],
  modes: [],
  // changes of a built-in mode, in immutability-helper's words
  modesConfiguration: {
    '@ohif/mode-longitudinal': {
      routes: {
        0: {
          layoutInstance: {
            props: {
              rightPanels: { $push: [SIMILAR_CASES.panel] },
              rightPanelInitialExpandedWidth: { $set: 380 },
            },
          },
        },
      },
      toolbarButtons: { $push: [SIMILAR_CASES.button] },
      toolbarSections: { primary: { $push: [SIMILAR_CASES.button.id] } },
    },
  },
  customizationService: {
    // the tour of a first visit darkens the picture that the reader came for
    'ohif.tours': { $set: [] },
  },
  // measurements are kept without asking first; a SEG opens when it is chosen
  measurementTrackingMode: 'simplified',
  disableConfirmationPrompts: true,
  groupEnabledModesFirst: true,
  maxNumberOfWebWorkers: 3,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  allowMultiSelectExport: false,
  showErrorDetails: 'production',
  // HTTP/1.1 to Orthanc: a browser opens six connections
  maxNumRequests: { interaction: 20, thumbnail: 5, prefetch: 10 },
  defaultDataSourceName: 'orthanc',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'orthanc',
      configuration: {
        friendlyName: 'Orthanc',
        name: 'orthanc',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
        qidoSupportsIncludeField: true,
        supportsReject: false,
        supportsStow: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        dicomUploadEnabled: false,
        singlepart: 'bulkdata,video,pdf',
        bulkDataURI: { enabled: true },
      },
    },
  ],
};
