import { Configuration } from '../config/configuration.js';
import { createPreview } from '../create-app.js';
import { buildOpenApiDocument } from './openapi-document.js';

// What no route depends on, but the configuration asks for.
const configuration = Configuration.fromEnvironment({ DATABASE_URL: 'postgres://localhost/none' });
process.stdout.write(`${JSON.stringify(buildOpenApiDocument(await createPreview(configuration)))}\n`);
