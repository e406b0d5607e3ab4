/** Runs a script of the folder above: each exports `run(args, print)`, which gives the exit code. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Run it with this process's arguments if Node was started with this very script. */
export async function runAsCommand(meta, run, close = async () => {}) {
  if (realpathSync(process.argv[1]) !== fileURLToPath(meta.url)) {
    return;
  }
  try {
    process.exitCode = await run(process.argv.slice(2), console.log);
  } finally {
    await close();
  }
}
