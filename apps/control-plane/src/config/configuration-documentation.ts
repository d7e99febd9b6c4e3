import { Configuration } from './configuration.js';
import { variablesOf } from './variable.js';

/** docs/configuration.md, from the descriptions in the Configuration class. */
export function renderConfigurationDocumentation(): string {
  const sections = variablesOf(Configuration).map((variable) => {
    const fallback = variable.default === undefined ? 'Required.' : `Default: \`${variable.default}\`.`;
    const example = variable.example ? ` Example: \`${variable.example}\`.` : '';
    return `## ${variable.name}\n\n${variable.description}\n\n${fallback}${example}\n`;
  });
  return `# Configuration of the control plane

Environment variables, read once at the start. An empty variable counts as unset. A wrong value ends the start with a message that names the
variable. Lengths of time are written \`90s\`, \`15m\`, \`24h\`, \`7d\`.

This page is made from \`apps/control-plane/src/config/configuration.ts\` by \`npm run -w @synscope/control-plane docs\`; a test keeps them equal.

${sections.join('\n')}`;
}
