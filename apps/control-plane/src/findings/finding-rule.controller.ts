import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type FindingRule,
  type FindingRuleListQuery,
  findingRuleListQuerySchema,
  findingRuleListSchema,
  findingRuleSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { FindingService } from './finding.service.js';

@ApiTags('Findings')
@Controller('finding-rules')
export class FindingRuleController {
  constructor(private readonly findings: FindingService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List the rules behind findings',
    description:
      'What each looks for, what it needs to say so, and whether it has failed by an error of its own. In the order in which they are asked about a record: the first that explains it has the last word.',
    item: findingRuleSchema,
    list: findingRuleListSchema,
  })
  list(@Query({ schema: findingRuleListQuerySchema }) query: FindingRuleListQuery): KeysetList<FindingRule> {
    return this.findings.rules(query);
  }
}
