import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/require-role.js';
import { MetricsRegistry } from './metrics-registry.js';

@ApiTags('Operation')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly registry: MetricsRegistry) {}

  @Get()
  @Public()
  @ApiOperation({
    summary: 'Metrics',
    description: 'The state of this replica in the text format of Prometheus.',
  })
  @ApiProduces('text/plain')
  @ApiResponse({
    status: 200,
    description: 'Text format of Prometheus, version 0.0.4.',
    schema: { type: 'string' },
  })
  @Header('cache-control', 'no-store')
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    reply.type(this.registry.contentType);
    return this.registry.metrics();
  }
}
