import { writeFileSync } from 'node:fs';
import { renderConfigurationDocumentation } from './configuration-documentation.js';

writeFileSync(
  new URL('../../../../docs/configuration.md', import.meta.url),
  renderConfigurationDocumentation(),
);
