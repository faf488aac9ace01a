// Builds when a source is newer than the last build. A command that people run again and again starts without the compiler.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';

const BUILT = 'dist/.tsbuildinfo';
const SOURCES = ['src', 'migrations', 'bench'];
const SETTINGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];

/** When a file was written last; 0 when it is not there. */
function writtenAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function newest() {
  const files = SOURCES.flatMap(folder =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
      .map(entry => `${entry.parentPath}/${entry.name}`),
  );

  return Math.max(...[...files, ...SETTINGS].map(writtenAt));
}

if (newest() > writtenAt(BUILT)) {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;

  // The compiler writes its record also of a build that failed; without it, the next one does not pass for fresh.
  if (status !== 0) {
    rmSync(BUILT, { force: true });
  }
}
