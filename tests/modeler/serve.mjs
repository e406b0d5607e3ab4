#!/usr/bin/env node
/**
 * Run the scripts beside this one in one process, so that they share the bundle
 * and the browser: a line `{"script": "x.mjs", "args": [...]}` on standard input
 * is answered by a line `{"code": 0, "output": "..."}`. The end of input ends it.
 */
import { createInterface } from 'node:readline';

import { closeBrowser } from './src/modeler-page.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  const { script, args } = JSON.parse(line);
  const printed = [];
  let code;
  try {
    const { run } = await import(`./${ script }`);
    code = await run(args, text => printed.push(`${ text }\n`));
  } catch (error) {
    code = 1;
    printed.push(`${ error.stack }\n`);
  }
  process.stdout.write(`${ JSON.stringify({ code, output: printed.join('') }) }\n`);
}
await closeBrowser();
