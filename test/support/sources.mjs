import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The tests' sources as they are, the product's as it is built: Node reads no decorators. */
export function useSources() {
  const root = new URL('../../', import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.startsWith('.') || !specifier.endsWith('.js') || !context.parentURL?.startsWith(`${root}test/`)) {
        return next(specifier, context);
      }

      const url = new URL(specifier, context.parentURL).href;
      const source = url.replace(/\.js$/, '.ts');

      return next(
        url.startsWith(`${root}src/`)
          ? url.replace(`${root}src/`, `${root}dist/src/`)
          : existsSync(fileURLToPath(source))
            ? source
            : specifier,
        context,
      );
    },
  });
}
