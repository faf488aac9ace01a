// Adds stub entries to package-lock.json for optional per-platform packages that the registry in use does not hold.
// `npm install` leaves those out of the lock and `npm ci` then refuses it; a stub (version, os, cpu) satisfies both.
// Run after every `npm install` that changes the lock: `npm run lock:fix`.
import { readFileSync, writeFileSync } from 'node:fs';

const OPERATING_SYSTEMS = {
  darwin: 'darwin',
  macos: 'darwin',
  linux: 'linux',
  linuxmusl: 'linux',
  win32: 'win32',
  windows: 'win32',
  win: 'win32',
  android: 'android',
  freebsd: 'freebsd',
  openbsd: 'openbsd',
  netbsd: 'netbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  aix: 'aix',
};
const PROCESSORS = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  armv7: 'arm',
  ia32: 'ia32',
  x86: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64el',
};

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const packages = lock.packages;

/** Whether Node's resolution from `at` finds `name` in the lock. */
function isLocked(at, name) {
  for (let folder = at; ;) {
    if (packages[`${folder ? `${folder}/` : ''}node_modules/${name}`]) {
      return true;
    }

    if (!folder) {
      return false;
    }

    const parent = folder.lastIndexOf('/node_modules/');
    folder = parent < 0 ? '' : folder.slice(0, parent);
  }
}

let added = 0;

for (const [at, entry] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(at, name)) {
      continue;
    }

    const words = name.split(/[-/_]/);
    const os = OPERATING_SYSTEMS[words.find(word => OPERATING_SYSTEMS[word])];
    const cpuWord = words.find(word => PROCESSORS[word]) ?? words.find(word => word.startsWith('arm') && 'arm');
    const cpu = words.includes('universal') ? undefined : (PROCESSORS[cpuWord] ?? (cpuWord ? 'arm' : undefined));
    const isWasm = words.includes('wasm32') || words.includes('wasi');

    if (!os && !isWasm) {
      console.log(`left alone, not a platform package: ${name} ${range}`);
      continue;
    }

    packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ''),
      optional: true,
      ...(isWasm ? { cpu: ['wasm32'] } : { os: [os], ...(cpu ? { cpu: [cpu] } : {}) }),
      ...(at && entry.dev ? { dev: true } : {}),
    };
    added++;
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} stub(s) added to package-lock.json`);
