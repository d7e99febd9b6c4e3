import { type DynamicModule, Module } from '@nestjs/common';
import { Configuration } from './configuration.js';

@Module({})
class ConfigurationModule {}

export function configurationModule(configuration: Configuration): DynamicModule {
  return {
    module: ConfigurationModule,
    global: true,
    providers: [{ provide: Configuration, useValue: configuration }],
    exports: [Configuration],
  };
}
