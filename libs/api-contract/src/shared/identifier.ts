import { z } from 'zod';

/** Ids are UUIDs of version 7 where this project makes them; any UUID is read. */
export const identifierSchema = z
  .guid('expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057')
  .transform((text) => text.toLowerCase())
  .pipe(z.string())
  .meta({ description: 'UUID.' });

/** The same in an answer. */
export const identifierOutputSchema = z.guid().meta({ description: 'UUID, version 7.' });

export const identifierParamsSchema = z.strictObject({ id: identifierSchema });
export type IdentifierParams = z.output<typeof identifierParamsSchema>;
