import type { ErrorRequestHandler, Response } from 'express';
import type { App } from '../app.js';

/** The largest body of usage, of GraphQL, and of what is asked of one call. */
export const USAGE_BODY_LIMIT = '10mb';
export const GRAPHQL_BODY_LIMIT = '2mb';
export const CALL_BODY_LIMIT = '1mb';

/** The id under which a request is logged, audited and answered. */
export function requestIdOf(response: Pick<Response, 'locals'>): string {
  return String(response.locals['requestId']);
}

/** What a refused or failed request is told outside of GraphQL. */
export function problem(response: Response, code: string, message: string) {
  return { error: { code, message, requestId: requestIdOf(response) } };
}

/** Bodies that cannot be read are 4xx with a sentence; everything else is masked. */
export function onError(app: App): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);

      return;
    }

    const { status, type } = (error ?? {}) as { status?: number; type?: string };

    if (status === 413) {
      response
        .status(413)
        .json(
          problem(
            response,
            'BODY_TOO_LARGE',
            `usage has at most ${USAGE_BODY_LIMIT}, GraphQL ${GRAPHQL_BODY_LIMIT}, any other body ${CALL_BODY_LIMIT}; send less at a time`,
          ),
        );
    } else if (typeof status === 'number' && status >= 400 && status < 500) {
      const what = type === 'entity.parse.failed' ? 'the body is not valid JSON' : 'the request cannot be read';
      response.status(status).json(problem(response, 'BAD_REQUEST', what));
    } else {
      app.log.error({ err: error, requestId: requestIdOf(response) }, 'a request failed');
      response.status(500).json(problem(response, 'INTERNAL', 'Internal error. Quote the request id to support.'));
    }
  };
}
