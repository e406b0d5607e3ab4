#!/usr/bin/env node
/**
 * Take the documentation's pictures of the real modeler: a diagram with one of
 * its tasks selected, and a template that is chosen and filled in.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { browserAt, bundledPage, openModelerPage } from './src/modeler-page.mjs';
import { chooseTemplate, fill, openGroups } from './src/panel.mjs';
import { readTemplates } from './src/templates.mjs';

const { values: options } = parseArgs({
  options: {
    templates: { type: 'string', multiple: true },
    diagram: { type: 'string' },
    element: { type: 'string' },
    case: { type: 'string' },
    out: { type: 'string' },
    browser: { type: 'string' }
  }
});
if (Object.keys(options).length !== 6) {
  console.error('usage: take-pictures.mjs --templates DIR --diagram FILE.bpmn --element ID --case FILE.json --out DIR --browser PATH');
  process.exit(2);
}

const picture = (page, name) => page.screenshot({ path: path.join(options.out, name), animations: 'disabled' });

/** Room for a form beside the diagram, at the size at which the pages show it. */
async function openPage(browser, bundle) {
  const { page, problems } = await openModelerPage(browser, bundle, templates);
  await page.setViewportSize({ width: 1120, height: 640 });
  await page.addStyleTag({ content: `
    .djs-palette, .djs-context-pad, .djs-minimap { display: none !important; }
    #canvas { width: 720px; height: 640px; z-index: 1; }
    #properties { position: fixed; left: 720px; top: 0; width: 400px; height: 640px; margin: 0; border-left: 1px solid #ccc; }
    #properties .bio-properties-panel-scroll-container { overflow: hidden; height: 580px; }` });
  page.setDefaultTimeout(8000);
  return { page, problems };
}

/** Open the named groups and no others, so that the picture shows what the text speaks of. */
async function showGroups(page, names) {
  const headers = page.locator('#properties .bio-properties-panel-group-header.open .bio-properties-panel-group-header-title');
  for (let count = await headers.count(); count > 0; count--) {
    await headers.first().click();
  }
  for (const name of names) {
    await page.locator('#properties .bio-properties-panel-group-header-title')
      .filter({ hasText: new RegExp(`^${ name }$`) }).click();
  }
  await page.locator('#properties .bio-properties-panel-scroll-container').evaluate(node => node.scrollTo(0, 0));
  await page.waitForTimeout(1200);
}

const templates = await readTemplates(options.templates);
const oneCase = JSON.parse(await readFile(options.case, 'utf8'));
await mkdir(options.out, { recursive: true });
const bundle = await bundledPage();
const browser = await browserAt(options.browser);
const failures = [];
try {
  const example = await openPage(browser, bundle);
  const xml = await readFile(options.diagram, 'utf8');
  await example.page.evaluate(text => harness.open(text), xml);
  await example.page.evaluate(id => harness.pick(id), options.element);
  await showGroups(example.page, oneCase.groupsOfDiagram);
  await picture(example.page, 'modeler.png');
  failures.push(...example.problems);
  await example.page.close();

  const { page, problems } = await openPage(browser, bundle);
  const template = templates.find(({ id }) => id === oneCase.template);
  await page.evaluate(args => harness.start(args), {
    platformVersion: `${ oneCase.platformVersion }.0`, processId: oneCase.name,
    elementType: template.elementType.value, elementId: oneCase.elementId
  });
  await page.evaluate(names => harness.rename(names), oneCase.names);
  await page.locator('#properties .bio-properties-panel-select-template-button').click();
  await page.locator('.djs-popup input').pressSequentially(oneCase.search);
  await page.waitForTimeout(300);
  await picture(page, 'tutorial-choose.png');
  await page.keyboard.press('Escape');
  await chooseTemplate(page, template);
  await showGroups(page, oneCase.groupsWhenEmpty);
  await picture(page, 'tutorial-empty.png');
  await openGroups(page);
  failures.push(...await fill(page, oneCase.values));
  await page.waitForTimeout(1200);
  failures.push(...(await page.evaluate(() => harness.panelErrors())).map(({ entryId, message }) => `${ entryId }: ${ message }`));
  await page.evaluate(id => harness.pick(id), oneCase.elementId);
  await showGroups(page, oneCase.groupsWhenFilled);
  await picture(page, 'tutorial-filled.png');
  await writeFile(path.join(options.out, `${ oneCase.name }.bpmn`), await page.evaluate(() => harness.exportXML()));
  failures.push(...problems);
} finally {
  await browser.close();
}
failures.forEach(failure => console.error(failure));
process.exit(failures.length ? 1 : 0);
