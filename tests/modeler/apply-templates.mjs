#!/usr/bin/env node
/**
 * Apply element templates in the real Camunda 8 modeler and export BPMN.
 * See README.md for the form of the cases.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { runAsCommand } from './src/command.mjs';
import { browserAt, bundledPage, closeBrowser, openModelerPage } from './src/modeler-page.mjs';
import { chooseTemplate, fill, openGroups } from './src/panel.mjs';
import { listJsonFiles, readTemplates } from './src/templates.mjs';

const USAGE = `usage: apply-templates.mjs --templates DIR [--templates DIR ...] --cases FILE_OR_DIR --out DIR
       --browser PATH            Chromium executable
       [--parallel 2]            cases at the same time
       [--platform-version 8.6]  Camunda version the diagram is made for
       [--settle-ms 1200]        wait for the FEEL editors' checks
       [--only NAME]             run the case of that name
       [--pictures]              take pictures of the forms and the diagram`;

const OPTIONS = {
  templates: { type: 'string', multiple: true },
  cases: { type: 'string' },
  out: { type: 'string' },
  browser: { type: 'string' },
  only: { type: 'string' },
  pictures: { type: 'boolean', default: false },
  parallel: { type: 'string', default: '2' },
  'platform-version': { type: 'string', default: '8.6' },
  'settle-ms': { type: 'string', default: '1200' }
};

const semver = version => version.split('.').length === 2 ? `${ version }.0` : version;

function findTemplate(templates, { template: id, version }) {
  const found = templates.filter(template => template.id === id
    && (version === undefined || (template.version ?? null) === version));
  if (!found.length) {
    throw new Error(`no template ${ id }${ version === undefined ? '' : ` version ${ version }` }`);
  }
  return found.reduce((a, b) => (b.version ?? -1) > (a.version ?? -1) ? b : a);
}

const nameOf = entry => entry.id ?? entry.key;
const isEmpty = value => value === null || value === undefined || (typeof value === 'string' && !value.trim());

/** What the panel marks once it marks what is expected: a busy machine is given longer than the checks take. */
async function panelErrors(page, expected) {
  const same = names => names.length === expected.length && names.every(name => expected.includes(name));
  for (const deadline = performance.now() + 15000; ;) {
    const entries = await page.evaluate(() => harness.shownEntries());
    const errors = await page.evaluate(() => harness.panelErrors());
    const found = errors.map(error => {
      const entry = entries.find(({ entryId }) => entryId === error.entryId);
      return { property: entry ? nameOf(entry) : error.entryId, message: error.message };
    });
    if (same(found.map(({ property }) => property)) || performance.now() > deadline) {
      return found;
    }
    await page.waitForTimeout(200);
  }
}

/** The element's own XML without its icon, for reading; the .bpmn file has it all. */
function fragment(xml, elementId) {
  const match = xml.match(new RegExp(`^ *<(bpmn:\\w+) id="${ elementId }"[\\s\\S]*?</\\1>`, 'm'));
  return match ? match[0].replace(/ zeebe:modelerTemplateIcon="[^"]*"/, '') : '';
}

async function runCase({ page, problems }, templates, oneCase, options) {
  const settleMs = Number(options['settle-ms']);
  const platformVersion = semver(oneCase.platformVersion ?? options['platform-version']);
  const template = findTemplate(templates, oneCase);
  const elementId = oneCase.elementId ?? 'element';
  const elementType = oneCase.elementType ?? template.elementType?.value ?? template.appliesTo[0];
  const failures = [];
  const result = { name: oneCase.name, template: template.id, version: template.version ?? null, platformVersion, elementType };
  const file = suffix => path.join(options.out, `${ oneCase.name }${ suffix }`);

  try {
    // (1) load: the modeler must take the template
    const loaded = await page.evaluate(args => harness.start(args),
      { platformVersion, processId: oneCase.processId ?? oneCase.name, elementType, elementId });
    failures.push(...loaded.errors.filter(error => error.template === template.id)
      .map(error => `template refused: ${ error.message }`));

    // (2) apply: through the chooser, unless the case asks for a version that it would not offer
    const offered = await page.evaluate(() => harness.offered());
    result.offered = offered.some(({ id, version }) => id === template.id && version === (template.version ?? null));
    result.incompatibleEngines = await page.evaluate(([ id, version ]) => harness.incompatibleEngines(id, version),
      [ template.id, template.version ]);
    result.appliedBy = result.offered ? 'chooser' : 'api';
    if (result.offered) {
      await chooseTemplate(page, template, oneCase.steps, oneCase.values);
    } else if (oneCase.allowNotOffered) {
      await page.evaluate(([ id, version ]) => harness.applyDirectly(id, version), [ template.id, template.version ]);
    } else {
      throw new Error(`the chooser does not offer ${ template.id } version ${ template.version } for ${ elementType } `
        + `on ${ platformVersion } (offered: ${ offered.map(({ id, version }) => `${ id }@${ version }`).join(', ') || 'none' }; `
        + `engines: ${ JSON.stringify(result.incompatibleEngines) })`);
    }
    result.applied = await page.evaluate(() => harness.appliedTemplate());
    if (result.applied?.id !== template.id) {
      throw new Error(`the template was not applied: ${ JSON.stringify(result.applied) }`);
    }

    // (3) empty: every required property without a value must be marked, and no other
    await openGroups(page);
    await page.waitForTimeout(settleMs);
    const empty = await page.evaluate(() => harness.shownEntries());
    const expectedMarks = oneCase.expectEmptyErrors
      ?? empty.filter(entry => entry.required && isEmpty(entry.value)).map(nameOf);
    result.emptyErrors = await panelErrors(page, expectedMarks);
    const marked = result.emptyErrors.map(({ property }) => property);
    for (const property of expectedMarks.filter(name => !marked.includes(name))) {
      failures.push(`empty: ${ property } is required but not marked`);
    }
    for (const property of marked.filter(name => !expectedMarks.includes(name))) {
      failures.push(`empty: ${ property } is marked but not required`);
    }
    if (options.pictures) {
      await page.locator('#properties').screenshot({ path: file('.empty.png') });
    }

    // (4) filled: all values reach the model, and the panel shows no error
    failures.push(...await fill(page, oneCase.values ?? {}));
    await openGroups(page);
    await page.waitForTimeout(settleMs);
    const expectedErrors = oneCase.expectFilledErrors ?? [];
    result.filledErrors = await panelErrors(page, expectedErrors);
    failures.push(...result.filledErrors.filter(({ property }) => !expectedErrors.includes(property))
      .map(({ property, message }) => `filled: ${ property }: ${ message }`));
    failures.push(...expectedErrors.filter(name => !result.filledErrors.some(({ property }) => property === name))
      .map(name => `filled: ${ name } should be marked but is not`));
    if (options.pictures) {
      await page.locator('#properties').screenshot({ path: file('.filled.png') });
      await page.locator('#canvas').screenshot({ path: file('.diagram.png') });
    }

    // (5) export, lint, reopen
    const xml = await page.evaluate(() => harness.exportXML());
    await writeFile(file('.bpmn'), xml);
    await writeFile(file('.element.xml'), `${ fragment(xml, elementId) }\n`);
    result.lint = await page.evaluate(text => harness.lint(text), xml);
    const lintErrors = result.lint.filter(({ category }) => category === 'error');
    const expectedRules = oneCase.expectLintErrors ?? [];
    failures.push(...lintErrors.filter(({ rule }) => !expectedRules.includes(rule))
      .map(({ rule, id, message }) => `lint ${ rule }: ${ id }: ${ message }`));
    failures.push(...expectedRules.filter(name => !lintErrors.some(({ rule }) => rule === name))
      .map(name => `lint: ${ name } should report an error but does not`));
    const reopened = await page.evaluate(args => harness.reopen(...args), [ xml, platformVersion ]);
    failures.push(...reopened.warnings.map(warning => `reopen: ${ warning }`));
    if (reopened.template !== template.id) {
      failures.push(`reopen: the template is no longer found (${ reopened.template })`);
    }
  } catch (error) {
    failures.push(error.message.split('\n')[0]);
  } finally {
    failures.push(...problems.splice(0));
  }
  return { ...result, failures };
}


const seconds = since => Number(((performance.now() - since) / 1000).toFixed(2));

export async function run(args, print) {
  const { values: options } = parseArgs({ args, options: OPTIONS });
  if (!options.templates || !options.cases || !options.out || !options.browser) {
    print(USAGE);
    return 2;
  }
  const started = performance.now();
  const templates = await readTemplates(options.templates);
  const cases = (await Promise.all((await listJsonFiles([ options.cases ]))
    .map(async file => JSON.parse(await readFile(file, 'utf8'))))).flat()
    .filter(({ name }) => !options.only || name === options.only);
  await mkdir(options.out, { recursive: true });

  const bundle = await bundledPage();
  const bundleSeconds = seconds(started);
  const browser = await browserAt(options.browser);
  const results = [];
  const waiting = [ ...cases ];

  /** One page for many cases: each begins with a modeler of its own. */
  async function work() {
    const opened = await openModelerPage(browser, bundle, templates);
    opened.page.setDefaultTimeout(30000); // a busy machine takes its time; a wrong step costs as much
    for (let oneCase = waiting.shift(); oneCase; oneCase = waiting.shift()) {
      const caseStarted = performance.now();
      const result = await runCase(opened, templates, oneCase, options);
      result.seconds = seconds(caseStarted);
      results.push(result);
      print(`${ result.failures.length ? 'FAIL' : 'ok  ' } ${ result.name } (${ result.seconds } s, by ${ result.appliedBy ?? '-' }, `
        + `${ result.emptyErrors?.length ?? '-' } marked when empty, ${ result.filledErrors?.length ?? '-' } when filled)`);
      result.failures.forEach(failure => print(`     ${ failure }`));
    }
    await opened.page.close();
  }

  await Promise.all(Array.from({ length: Math.min(Number(options.parallel), cases.length) }, work));

  const summary = {
    browser: browser.version(),
    templates: templates.length,
    bundle: { js: bundle.js.length, css: bundle.css.length, seconds: bundleSeconds },
    seconds: seconds(started),
    results
  };
  await writeFile(path.join(options.out, 'summary.json'), `${ JSON.stringify(summary, null, 2) }\n`);
  const failed = results.filter(({ failures }) => failures.length).length;
  print(`${ results.length - failed }/${ results.length } cases passed in ${ summary.seconds } s (bundle ${ bundleSeconds } s)`);
  return failed || !results.length ? 1 : 0;
}

await runAsCommand(import.meta, run, closeBrowser);
