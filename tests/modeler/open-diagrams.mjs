#!/usr/bin/env node
/**
 * Open diagrams in the real Camunda 8 modeler, as a person would: they must
 * import without a warning, lint without an error, and every element that a
 * template was applied to must hold its newest version and no marked field.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { runAsCommand } from './src/command.mjs';
import { browserAt, bundledPage, closeBrowser, openModelerPage } from './src/modeler-page.mjs';
import { readTemplates } from './src/templates.mjs';

async function check({ page, problems }, file, options) {
  const failures = [];
  let opened = null;
  try {
    const xml = await readFile(file, 'utf8');
    opened = await page.evaluate(text => harness.open(text), xml);
    failures.push(...opened.warnings.map(warning => `import: ${ warning }`));
    for (const { id, template, version, newest, errors } of opened.elements) {
      if (newest === null) {
        failures.push(`${ id }: there is no template ${ template }`);
      } else if (version !== newest) {
        failures.push(`${ id }: made with version ${ version } of ${ template }, the newest is ${ newest }`);
      }
      failures.push(...errors.map(({ entryId, message }) => `${ id }: ${ entryId }: ${ message }`));
    }
    const lint = await page.evaluate(text => harness.lint(text), xml);
    failures.push(...lint.filter(({ category }) => category === 'error')
      .map(({ rule, id, message }) => `lint ${ rule }: ${ id }: ${ message }`));
    if (options.pictures) {
      await page.locator('#canvas').screenshot({ path: path.join(options.out, `${ path.basename(file, '.bpmn') }.png`) });
    }
  } catch (error) {
    failures.push(error.message.split('\n')[0]);
  } finally {
    failures.push(...problems.splice(0));
  }
  return { file: path.basename(file), elements: opened?.elements ?? [], failures };
}

export async function run(args, print) {
  const { values: options, positionals: files } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      templates: { type: 'string', multiple: true },
      out: { type: 'string' },
      browser: { type: 'string' },
      pictures: { type: 'boolean', default: false }
    }
  });
  if (!options.templates || !options.out || !options.browser || !files.length) {
    print('usage: open-diagrams.mjs --templates DIR --out DIR --browser PATH [--pictures] FILE.bpmn ...');
    return 2;
  }
  const templates = await readTemplates(options.templates);
  await mkdir(options.out, { recursive: true });
  const opened = await openModelerPage(await browserAt(options.browser), await bundledPage(), templates);
  const results = [];
  for (const file of files) {
    const result = await check(opened, file, options);
    results.push(result);
    print(`${ result.failures.length ? 'FAIL' : 'ok  ' } ${ result.file } (${ result.elements.length } elements with templates)`);
    result.failures.forEach(failure => print(`     ${ failure }`));
  }
  await opened.page.close();
  await writeFile(path.join(options.out, 'diagrams.json'), `${ JSON.stringify(results, null, 2) }\n`);
  return results.some(({ failures }) => failures.length) ? 1 : 0;
}

await runAsCommand(import.meta, run, closeBrowser);
