/** Equal to the version in package.json; a test holds it. */
export const CLI_VERSION = '0.1.0';
