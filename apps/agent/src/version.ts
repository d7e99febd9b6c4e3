/** Equal to the version in package.json; a test holds it. */
export const AGENT_VERSION = '0.1.0';
