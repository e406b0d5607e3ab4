/**
 * Runs inside the browser. Wraps the Camunda 8 modeler (canvas, properties
 * panel, element templates, linter) behind the plain-data API `window.harness`.
 */
import Modeler from 'camunda-bpmn-js/lib/camunda-cloud/Modeler';
import { CloudElementTemplatesLinterPlugin } from 'bpmn-js-element-templates';
import { Linter } from '@camunda/linting';
import modelerModdle from 'modeler-moddle/resources/modeler.json';

import 'camunda-bpmn-js/dist/assets/camunda-cloud-modeler.css';

import { bindingKey, readBinding } from './bindings.js';

let modeler, element, template, loaderErrors, loaderWarnings;

/** All templates, fetched once: they are large, and each call from outside would bring them anew. */
let templates = [];

const service = name => modeler.get(name);

function skeleton(processId, platformVersion) {
  return `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
  xmlns:modeler="http://camunda.org/schema/modeler/1.0"
  id="Definitions_${ processId }" targetNamespace="http://bpmn.io/schema/bpmn"
  modeler:executionPlatform="Camunda Cloud"
  modeler:executionPlatformVersion="${ platformVersion }">
  <bpmn:process id="${ processId }" isExecutable="true" />
  <bpmndi:BPMNDiagram id="BPMNDiagram_1">
    <bpmndi:BPMNPlane id="BPMNPlane_1" bpmnElement="${ processId }" />
  </bpmndi:BPMNDiagram>
</bpmn:definitions>`;
}

function newModeler() {
  modeler?.destroy();
  loaderErrors = [];
  loaderWarnings = [];
  modeler = new Modeler({
    container: '#canvas',
    propertiesPanel: { parent: '#properties' },
    moddleExtensions: { modeler: modelerModdle },
    debounceInput: false
  });
  modeler.on('elementTemplates.errors', ({ errors }) => loaderErrors.push(...errors));
  modeler.on('elementTemplates.warnings', ({ warnings }) => loaderWarnings.push(...warnings));
}

function plainProblem(problem) {
  return { message: problem.message, template: problem.template?.id ?? null };
}

function loadTemplates(chosen, platformVersion) {
  service('elementTemplates').setEngines({ camunda: platformVersion });
  service('elementTemplatesLoader').setTemplates(chosen);
}

function createShape(type, x, y, id, attrs = {}) {
  const businessObject = service('bpmnFactory').create(type, { id });
  const shape = service('elementFactory').createShape({ type, businessObject, ...attrs });
  return service('modeling').createShape(shape, { x, y }, service('canvas').getRootElement());
}

/** Put an element of the given type into a small executable process around it. */
function createElement(type, id) {
  const modeling = service('modeling');
  const end = () => createShape('bpmn:EndEvent', 560, 200, 'end');

  if (type === 'bpmn:StartEvent') {
    const start = createShape(type, 160, 200, id);
    modeling.connect(start, end());
    return start;
  }

  const start = createShape('bpmn:StartEvent', 160, 200, 'start');

  if (type === 'bpmn:EndEvent') {
    const last = createShape(type, 560, 200, id);
    modeling.connect(start, last);
    return last;
  }

  if (type === 'bpmn:BoundaryEvent') {
    const host = createShape('bpmn:SubProcess', 360, 200, 'host', { isExpanded: true });
    modeling.connect(start, host);
    modeling.connect(host, createShape('bpmn:EndEvent', 660, 200, 'end'));
    const innerStart = modeling.createShape({ type: 'bpmn:StartEvent' }, { x: 250, y: 200 }, host);
    const innerEnd = modeling.createShape({ type: 'bpmn:EndEvent' }, { x: 470, y: 200 }, host);
    modeling.connect(innerStart, innerEnd);
    const boundary = modeling.createShape(
      service('elementFactory').createShape({ type, businessObject: service('bpmnFactory').create(type, { id }) }),
      { x: 360, y: host.y + host.height }, host, { attach: true });
    modeling.connect(boundary, createShape('bpmn:EndEvent', 480, 400, 'end_after_boundary'));
    return boundary;
  }

  const isContainer = [ 'bpmn:SubProcess', 'bpmn:AdHocSubProcess' ].includes(type);
  const middle = createShape(type, 360, 200, id, isContainer ? { isExpanded: true } : {});
  if (isContainer) {
    modeling.createShape({ type: 'bpmn:Task' }, { x: 360, y: 200 }, middle);
  }
  modeling.connect(start, middle);
  modeling.connect(middle, isContainer ? createShape('bpmn:EndEvent', 660, 200, 'end') : end());
  return middle;
}

/** Select it once the panel has mounted: before that, the panel misses the event. */
async function select(shape) {
  for (let frame = 0; frame < 3; frame++) {
    await new Promise(resolve => requestAnimationFrame(resolve));
  }
  service('selection').select(shape);
}

/** The element as it is now: applying a template may replace the shape. */
function current() {
  return service('elementRegistry').get(element.id) || element;
}

/**
 * The template properties that the panel shows right now. The panel's own
 * provider says which, and under which entry id: conditions are its business.
 */
function shownEntries() {
  const groups = service('elementTemplatesPropertiesProvider').getGroups(current())([]);
  return groups.flatMap(group => (group.entries || [])
    .filter(entry => entry.property)
    .map(entry => {
      const { property } = entry;
      const value = readBinding(current().businessObject, property.binding);
      return {
        entryId: entry.id,
        groupId: group.id,
        id: property.id ?? null,
        key: bindingKey(property.binding),
        label: property.label ?? null,
        type: property.type,
        feel: property.feel ?? null,
        required: !!property.constraints?.notEmpty,
        hasDefault: property.value !== undefined,
        value: value ?? null
      };
    }));
}

/** The templates, in all their versions, that a diagram names: a modeler checks each that it loads, which takes its time. */
function namedIn(xml) {
  return templates.filter(({ id }) => xml.includes(`zeebe:modelerTemplate="${ id }"`));
}

window.harness = {

  async fetchTemplates() {
    templates = await (await fetch('/templates.json')).json();
  },

  async start({ platformVersion, processId, elementType, elementId }) {
    newModeler();
    await modeler.importXML(skeleton(processId, platformVersion));
    loadTemplates(templates, platformVersion);
    element = createElement(elementType, elementId);
    service('canvas').zoom('fit-viewport');
    await select(element);
    return {
      errors: loaderErrors.map(plainProblem),
      warnings: loaderWarnings.map(plainProblem)
    };
  },

  /** Ids of the templates that the chooser would offer for the element. */
  offered() {
    return service('elementTemplates').getLatest(current()).map(({ id, version }) => ({ id, version: version ?? null }));
  },

  incompatibleEngines(id, version) {
    const found = service('elementTemplates').get(id, version);
    return found ? service('elementTemplates').getIncompatibleEngines(found) : null;
  },

  /** Apply through the service that the chooser calls. */
  async applyDirectly(id, version) {
    const found = service('elementTemplates').get(id, version ?? undefined);
    if (!found) {
      throw new Error(`template not loaded: ${ id } version ${ version }`);
    }
    element = service('elementTemplates').applyTemplate(current(), found);
    await select(element);
  },

  appliedTemplate() {
    const elementTemplates = service('elementTemplates');
    element = current();
    template = elementTemplates.get(element);
    const businessObject = element.businessObject;
    return template && {
      id: template.id,
      version: template.version ?? null,
      elementType: businessObject.$type,
      eventDefinition: businessObject.eventDefinitions?.[0]?.$type ?? null
    };
  },

  shownEntries,

  /** What the panel itself reports as wrong: read from the page, not from the model. */
  panelErrors() {
    return [ ...document.querySelectorAll('#properties .bio-properties-panel-entry.has-error') ].map(node => ({
      entryId: node.getAttribute('data-entry-id'),
      message: node.querySelector('.bio-properties-panel-error')?.textContent ?? ''
    }));
  },

  async exportXML() {
    const { xml } = await modeler.saveXML({ format: true });
    return xml;
  },

  async lint(xml) {
    const linter = new Linter({ plugins: [ CloudElementTemplatesLinterPlugin(namedIn(xml)) ] });
    const reports = await linter.lint(xml);
    return reports.map(({ id, rule, category, message }) => ({ id, rule, category, message }));
  },

  /** Open a diagram that somebody made: what the modeler says of it, and of each element that a template was applied to. */
  async open(xml) {
    newModeler();
    const { warnings } = await modeler.importXML(xml);
    const platformVersion = modeler.getDefinitions().get('modeler:executionPlatformVersion');
    loadTemplates(namedIn(xml), platformVersion);
    service('canvas').zoom('fit-viewport');
    const applied = service('elementRegistry').filter(shape => shape.type !== 'label'
      && shape.businessObject.get('zeebe:modelerTemplate'));
    const elements = [];
    for (const shape of applied) {
      await select(shape);
      const found = service('elementTemplates').get(shape);
      const [ newest ] = service('elementTemplates').getLatest(shape.businessObject.get('zeebe:modelerTemplate'));
      elements.push({
        id: shape.id,
        template: shape.businessObject.get('zeebe:modelerTemplate'),
        version: found?.version ?? null,
        newest: newest?.version ?? null,
        errors: await this.settledErrors()
      });
    }
    return { warnings: warnings.map(({ message }) => message), platformVersion, elements };
  },

  /** Select an element of the open diagram, with the whole diagram in view. */
  async pick(id) {
    service('canvas').zoom('fit-viewport', 'auto');
    service('selection').select(null);
    await select(service('elementRegistry').get(id));
  },

  rename(names) {
    for (const [ id, name ] of Object.entries(names)) {
      service('modeling').updateProperties(service('elementRegistry').get(id), { name });
    }
  },

  async settledErrors() {
    await new Promise(resolve => setTimeout(resolve, 1200));
    return this.panelErrors();
  },

  /** Open the exported file in a fresh modeler, as the next user would. */
  async reopen(xml, platformVersion) {
    const elementId = element.id;
    newModeler();
    const { warnings } = await modeler.importXML(xml);
    loadTemplates(namedIn(xml), platformVersion);
    element = service('elementRegistry').get(elementId);
    await select(element);
    return {
      warnings: warnings.map(({ message }) => message),
      template: service('elementTemplates').get(element)?.id ?? null
    };
  }
};
