import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Role } from '@synscope/api-contract';
import { problemResponse } from '../http/endpoint.js';

export const REQUIRED_ROLE = 'synscope:required-role';
export const BEARER_SCHEME = 'bearer';
/** Marks operations in the OpenAPI document that need no token; replaced by `security: []` before it is served. */
export const PUBLIC_EXTENSION = 'x-synscope-public';

/** The least role that may call the route. Every route carries this or {@link Public}; a start without fails. */
export function RequireRole(role: Role): MethodDecorator {
  return applyDecorators(
    SetMetadata(REQUIRED_ROLE, role),
    ApiBearerAuth(BEARER_SCHEME),
    ApiExtension('x-required-role', role),
    problemResponse(401, 'No valid token came with the request.'),
    problemResponse(403, `The token has a lesser role than ${role}.`),
  );
}

/** The route needs no token. */
export function Public(): MethodDecorator {
  return applyDecorators(SetMetadata(REQUIRED_ROLE, 'public'), ApiExtension(PUBLIC_EXTENSION, true));
}
