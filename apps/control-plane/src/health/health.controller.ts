import { Controller, Get, Header, Res, SerializeOptions } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { healthSchema, type Readiness, readinessSchema } from '@synscope/api-contract';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/require-role.js';
import { HealthService } from './health.service.js';

@ApiTags('Operation')
@Controller()
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Get('healthz')
  @Public()
  @ApiOperation({
    summary: 'Is the process alive',
    description: 'Answers as long as the process can answer at all. Restart it if not.',
  })
  @SerializeOptions({ schema: healthSchema })
  @ApiResponse({ status: 200, description: 'Alive.', standardSchema: healthSchema })
  @Header('cache-control', 'no-store')
  alive(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  @Public()
  @ApiOperation({
    summary: 'Can this replica serve',
    description:
      'Checks the database and what the features add. Send no traffic while it answers 503; each check says why.',
  })
  @SerializeOptions({ schema: readinessSchema })
  @ApiResponse({ status: 200, description: 'Ready.', standardSchema: readinessSchema })
  @ApiResponse({
    status: 503,
    description: 'Not ready; the checks say why.',
    standardSchema: readinessSchema,
  })
  @Header('cache-control', 'no-store')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const readiness = await this.health.readiness();
    if (readiness.status !== 'ready') reply.status(503).header('retry-after', '2');
    return readiness;
  }
}
