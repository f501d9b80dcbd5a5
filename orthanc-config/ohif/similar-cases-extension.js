// OHIF 3.12 extension: a panel with the page of Similar Cases, a command that asks it about a measurement, and opening
// an answer beside the query. Plain JavaScript: OHIF imports this file as a module at run time, nothing is built.
//
// The page stands in a frame of the same origin. What the two tell each other is in plugin/docs/viewers.md.

const EXTENSION_ID = '@similar-cases/ohif-extension';
const PANEL_NAME = 'similarCases';
const PANEL_ID = `${EXTENSION_ID}.panelModule.${PANEL_NAME}`;
const PAGE = '/similar-cases/';
const ANSWER_VIEWPORT = 'similar-case';
const MENU = 'measurementsContextMenu';
const OVERLAY = 'viewportOverlay.topLeft';
const MENU_ITEM = { id: 'findSimilarCases', label: 'Find similar', commands: 'findSimilarCases' };
const PATIENT_ITEM = {
  id: 'SimilarCasesPatient',
  inheritsFrom: 'ohif.overlayItem',
  label: '',
  title: 'Patient ID',
  // two patients stand side by side: each picture says whose it is
  condition: ({ referenceInstance }) => referenceInstance?.PatientID,
  contentF: ({ referenceInstance }) => String(referenceInstance.PatientID),
};
const UID = /^[0-9.]{1,64}$/;
const LOAD_DEADLINE_MS = 60_000;

const isUid = (value) => typeof value === 'string' && UID.test(value);

// --- what is asked -----------------------------------------------------------------------------------------------

/** Return what `find` sends about a measurement, or null where it lies on no series. Points are LPS mm, as OHIF's are. */
function questionOfMeasurement(measurement) {
  const { referenceStudyUID: study, referenceSeriesUID: series, SOPInstanceUID: instance } = measurement;
  if (!isUid(study) || !isUid(series)) return null;
  const points = (measurement.points || []).map((point) => Array.from(point, Number));
  return {
    study,
    series,
    points: points.filter((point) => point.length === 3 && point.every(Number.isFinite)),
    sop_instance_uid: isUid(instance) ? instance : undefined,
    tool: measurement.toolName,
  };
}

const questionOfSeries = (displaySet) => ({
  study: displaySet.StudyInstanceUID,
  series: displaySet.SeriesInstanceUID,
  points: [],
});

/** Return the page's address, about the series of a question where there is one. */
function addressOf(question, parameters) {
  const about = question ? { StudyInstanceUIDs: question.study, SeriesInstanceUIDs: question.series } : {};
  return `${PAGE}?${new URLSearchParams({ ...parameters, ...about })}`;
}

/** Return the images that the active viewport shows, or undefined: a SEG lies over them as a further display set. */
function shownImages({ viewportGridService, displaySetService }, viewportId = viewportGridService.getActiveViewportId()) {
  const uids = viewportGridService.getDisplaySetsUIDsForViewport(viewportId) || [];
  const shown = uids.map((uid) => displaySetService.getDisplaySetByUID(uid)).filter(Boolean);
  return shown.find((displaySet) => !displaySet.isOverlayDisplaySet && displaySet.SeriesInstanceUID);
}

/** Return the measurement meant: the one clicked, else the series' selected one, else its newest. */
function meantMeasurement({ measurementService }, clickedUid, series) {
  const clicked = clickedUid && measurementService.getMeasurement(clickedUid);
  if (clicked) return clicked;
  const onSeries = measurementService.getMeasurements().filter((one) => one.referenceSeriesUID === series);
  const newestLast = [...onSeries].sort((one, other) => (one.modifiedTimestamp || 0) - (other.modifiedTimestamp || 0));
  return newestLast.find((one) => one.isSelected) || newestLast.at(-1);
}

// --- the frame ---------------------------------------------------------------------------------------------------

/** The page in its frame: keeps a question until the page listens, and hands its wishes on. */
class PageFrame {
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.element = null;
    this.isReady = false;
    this.question = null;
    window.addEventListener('message', (event) => this.receive(event));
  }

  /** Show the page in `container`, about `question`'s series. */
  mount(container, question) {
    this.isReady = false;
    this.element = document.createElement('iframe');
    this.element.src = addressOf(question, { embedded: '1' });
    this.element.title = 'Similar Cases';
    this.element.setAttribute('data-cy', 'similar-cases-frame');
    this.element.style.cssText = 'border:0;width:100%;height:100%;display:block';
    container.replaceChildren(this.element);
  }

  unmount() {
    this.element = null;
    this.isReady = false;
  }

  /** Ask now, or as soon as the page listens. */
  ask(question) {
    this.question = question;
    if (!this.isReady) return;
    const message = { type: 'similar-cases/find', ...question };
    this.element.contentWindow.postMessage(message, window.location.origin);
  }

  receive({ origin, source, data }) {
    if (!this.element || origin !== window.location.origin || source !== this.element.contentWindow) return;
    if (data?.type === 'similar-cases/ready') {
      this.isReady = true;
      if (this.question) this.ask(this.question);
    }
    if (data?.type === 'similar-cases/open' && isUid(data.study) && isUid(data.series)) this.onOpen(data);
  }
}

/** Return a React element (React 18's own form): OHIF hands no React to an extension that is not built with it. */
const reactElement = (type, ref, props) => ({
  $$typeof: Symbol.for('react.element'),
  type,
  key: null,
  ref,
  props,
  _owner: null,
});

// --- an answer beside the query ----------------------------------------------------------------------------------

/** Return the display set that holds an instance of a series, once OHIF has made it. */
function displaySetOf({ displaySetService }, series, instance) {
  const find = () => {
    const ofSeries = displaySetService.getDisplaySetsForSeries(series) || [];
    return ofSeries.find((one) => one.instances?.some((image) => image.SOPInstanceUID === instance)) || ofSeries[0];
  };
  return new Promise((resolve, reject) => {
    if (find()) {
      resolve(find());
      return;
    }
    const late = window.setTimeout(() => finish(reject, new Error('the series did not come')), LOAD_DEADLINE_MS);
    const { unsubscribe } = displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, () => {
      if (find()) finish(resolve, find());
    });
    function finish(settle, value) {
      window.clearTimeout(late);
      unsubscribe();
      settle(value);
    }
  });
}

/** Return the place of an instance (and of a frame, from 1) in the stack that OHIF shows. */
function indexIn(displaySet, instance, frame) {
  const images = displaySet.instances || [];
  if (images.length === 1 && Number.isInteger(frame)) return Math.max(0, frame - 1);
  const found = images.findIndex((image) => image.SOPInstanceUID === instance);
  return found < 0 ? Math.floor(images.length / 2) : found;
}

/** Return the viewport that stays: the one that shows the series asked about, else the active one. */
function queryViewport(services, question) {
  const { viewports, activeViewportId } = services.viewportGridService.getState();
  const others = [...viewports.values()].filter(({ viewportId }) => viewportId !== ANSWER_VIEWPORT);
  return (
    others.find(({ viewportId }) => shownImages(services, viewportId)?.SeriesInstanceUID === question?.series) ||
    others.find(({ viewportId }) => viewportId === activeViewportId) ||
    others[0]
  );
}

async function showBeside(services, question, displaySet, index) {
  const { viewportGridService } = services;
  const answer = {
    displaySetInstanceUIDs: [displaySet.displaySetInstanceUID],
    displaySetOptions: [{}],
    viewportOptions: {
      viewportId: ANSWER_VIEWPORT,
      viewportType: 'stack',
      toolGroupId: 'default',
      initialImageOptions: { index },
    },
  };
  const query = queryViewport(services, question);
  await viewportGridService.setLayout({
    numRows: 1,
    numCols: 2,
    activeViewportId: query.viewportId,
    findOrCreateViewport: (position) => (position === 0 ? { ...query } : answer),
  });
  jumpWhenShown(services, displaySet, index);
}

/** Go to the slice once the pictures are there: OHIF returns to where a series was left, whatever the layout asks. */
function jumpWhenShown({ cornerstoneViewportService }, displaySet, index) {
  const began = Date.now();
  const images = displaySet.instances || [];
  const attempt = () => {
    const viewport = cornerstoneViewportService.getCornerstoneViewport(ANSWER_VIEWPORT);
    const imageIds = viewport?.getImageIds?.() || [];
    const holdsSeries = imageIds.length >= images.length && imageIds[0]?.includes(displaySet.SeriesInstanceUID);
    if (holdsSeries) viewport.setImageIdIndex?.(index);
    else if (Date.now() - began < LOAD_DEADLINE_MS) window.setTimeout(attempt, 100);
  };
  attempt();
}

// --- the extension -----------------------------------------------------------------------------------------------

const addOnce = (item) => (items = []) => (items.some(({ id }) => id === item.id) ? items : [...items, item]);

/** Change a customization where it is in force: in the site's own, where it has one, else in the mode's. */
function customize(customizationService, key, change) {
  const scope = customizationService.getCustomizations('global').has(key) ? 'global' : 'mode';
  customizationService.setCustomizations({ [key]: change }, scope);
}

function makeTools({ servicesManager, commandsManager }) {
  const services = servicesManager.services;
  const complain = (message) =>
    services.uiNotificationService.show({ title: 'Similar Cases', message, type: 'error', duration: 8000 });

  const frame = new PageFrame(async ({ study, series, sop_instance_uid: instance, frame: number }) => {
    try {
      await commandsManager.run('loadStudy', { StudyInstanceUID: study });
      const displaySet = await displaySetOf(services, series, instance);
      await showBeside(services, frame.question, displaySet, indexIn(displaySet, instance, number));
    } catch (error) {
      console.warn('Similar Cases:', error);
      complain('The study of this case could not be opened.');
    }
  });

  function mountOrUnmount(container) {
    if (!container) {
      frame.unmount();
      return;
    }
    const images = shownImages(services);
    frame.mount(container, frame.question || (images && questionOfSeries(images)));
  }

  function findSimilarCases({ uid, nearbyToolData }) {
    const images = shownImages(services);
    const measurement = meantMeasurement(services, nearbyToolData?.annotationUID ?? uid, images?.SeriesInstanceUID);
    const question = (measurement && questionOfMeasurement(measurement)) || (images && questionOfSeries(images));
    if (!question) {
      complain('Show a series first.');
      return;
    }
    if (!services.panelService.getPanels('right').some(({ id }) => id === PANEL_ID)) {
      window.open(addressOf(question, {}), '_blank', 'noopener');
      return;
    }
    frame.ask(question);
    services.panelService.activatePanel(PANEL_ID, true);
  }

  return { mountOrUnmount, findSimilarCases };
}

let tools = null;

export default {
  id: EXTENSION_ID,

  preRegistration(managers) {
    tools = makeTools(managers);
  },

  onModeEnter({ servicesManager }) {
    const { customizationService } = servicesManager.services;
    customize(customizationService, MENU, { menus: { 0: { items: { $apply: addOnce(MENU_ITEM) } } } });
    customize(customizationService, OVERLAY, { $apply: addOnce(PATIENT_ITEM) });
  },

  getPanelModule: () => [
    {
      name: PANEL_NAME,
      iconName: 'Search',
      iconLabel: 'Similar',
      label: 'Similar cases',
      // the function that React calls with the container is always the same, so a repaint leaves the frame as it is
      component: () => reactElement('div', tools.mountOrUnmount, { style: { height: '100%' } }),
    },
  ],

  getCommandsModule: () => ({
    defaultContext: 'VIEWER',
    definitions: { findSimilarCases: { commandFn: (options) => tools.findSimilarCases(options) } },
  }),
};
