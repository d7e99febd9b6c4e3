import { describe, expect, it } from 'vitest';
import { StartupError } from '../lifecycle/startup-error.js';
import { Configuration } from './configuration.js';
import { renderConfigurationDocumentation } from './configuration-documentation.js';
import { variablesOf } from './variable.js';

const REQUIRED = { DATABASE_URL: 'postgres://somebody@127.0.0.1/synscope' };

describe('the configuration', () => {
  it('has the defaults of the documentation', () => {
    const configuration = Configuration.fromEnvironment(REQUIRED);
    expect(configuration.httpAddress).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(configuration.grpcAddress).toEqual({ host: '127.0.0.1', port: 9443 });
    expect(configuration.dataDirectory).toBe(`${process.cwd()}/.data`);
  });

  it.each([
    ['[::1]:0', { host: '::1', port: 0 }],
    [':8080', { host: '::', port: 8080 }],
    ['control.example:65535', { host: 'control.example', port: 65535 }],
  ])('reads %s as an address to listen on', (text, address) => {
    expect(Configuration.fromEnvironment({ ...REQUIRED, SYNSCOPE_HTTP_ADDR: text }).httpAddress).toEqual(
      address,
    );
  });

  it('takes an empty variable for an absent one', () => {
    expect(Configuration.fromEnvironment({ ...REQUIRED, SYNSCOPE_LOG_LEVEL: '' }).logLevel).toBe('info');
  });

  it('names every wrong variable, what was expected and a value that would do', () => {
    const read = () =>
      Configuration.fromEnvironment({
        SYNSCOPE_HTTP_ADDR: '127.0.0.1:70000',
        SYNSCOPE_LOG_LEVEL: 'loud',
        SYNSCOPE_SHUTDOWN_TIMEOUT: 'soon',
      });
    expect(read).toThrow(StartupError);
    expect(read).toThrow(
      [
        'SYNSCOPE_HTTP_ADDR="127.0.0.1:70000": expected HOST:PORT with a port from 0 to 65535. Set it to something like SYNSCOPE_HTTP_ADDR=127.0.0.1:8080',
        'DATABASE_URL is not set. Set it to a database, such as DATABASE_URL=',
      ].join('\n'),
    );
    expect(read).toThrow('SYNSCOPE_LOG_LEVEL="loud": expected one of trace, debug, info, warn, error');
    expect(read).toThrow('SYNSCOPE_SHUTDOWN_TIMEOUT="soon": expected a length of time such as 90s');
  });

  it('does not show a password when the address of the database is wrong', () => {
    const read = () =>
      Configuration.fromEnvironment({ DATABASE_URL: 'mysql://somebody:hunter2@db/synscope' });
    expect(read).toThrow('expected a URL that begins with postgres://');
    expect(read).not.toThrow('hunter2');
  });

  it('describes every variable', () => {
    for (const { name, description } of variablesOf(Configuration)) {
      expect(name).toMatch(/^(SYNSCOPE_[A-Z_]+|DATABASE_URL)$/);
      expect(description).toMatch(/^[A-Z].{20,}\.$/);
    }
  });

  it('is documented in docs/configuration.md (npm run -w @synscope/control-plane docs writes it)', async () => {
    await expect(renderConfigurationDocumentation()).toMatchFileSnapshot('../../../../docs/configuration.md');
  });
});
