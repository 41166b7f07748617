// Warm ports' links in memory keep the contract of the real driver.

import { warmLinksContract } from "../../contract/warm_links_contract.ts";
import { memoryWarmBench } from "../../memory/memory_links_bench.ts";

warmLinksContract("memory", memoryWarmBench);
