"""Where AWS's services are, from botocore's endpoint data: partitions, hosts by
their rule sets (FIPS and dual stack included), and regions that do not have a
service. generate.py asks for each service's Places; run alone, this writes the
data into aws.yml, between the two lines that say so."""
import collections
import json
import os
import re

import botocore.loaders
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError

BEGIN, END = '# generated: what botocore\'s partitions.json says\n', '# end of what is generated\n'
VARIANTS = {(False, False): 'usual single', (True, False): 'fips single', (False, True): 'usual dual', (True, True): 'fips dual'}
# Services that endpoints.json knows by another name than the endpoint's; () where that is another service's.
ABSENT_BY = {'docdb': ('docdb',), 'neptune': ('neptune',), 'wafv2': ('wafv2',), 'sso-admin': ('sso',), 'amp': ('aps',)}
loader = botocore.loaders.Loader()
PARTITIONS = loader.load_data('partitions')
OLD = {p['partition']: p for p in loader.load_data('endpoints')['partitions']}


def regions():
    """(partition, region) of all, without the global pseudo-regions."""
    return [(p['id'], r, p['outputs']) for p in PARTITIONS['partitions'] for r in sorted(p['regions'])
            if re.fullmatch(p['regionRegex'], r)]


def data():
    """The lines of aws.yml's `data`."""
    lines = ['data:', '  partitions:']
    prefixes = {}
    for p in PARTITIONS['partitions']:
        o = p['outputs']
        lines.append(f'    {p["id"]}: {{dns_suffix: {o["dnsSuffix"]}, dual_stack_suffix: {o["dualStackDnsSuffix"]}, '
                     f'global_region: {o["implicitGlobalRegion"]}}}')
        for part, r, _ in regions():
            if part == p['id'] != 'aws':
                prefixes[re.fullmatch('(.*)-[a-z]+-[0-9]+', r)[1]] = part
    lines.append('  prefixes: {%s}                    # of regions; any other is of aws' %
                 ', '.join(f'{k}: {v}' for k, v in sorted(prefixes.items())))
    lines.append('  regions: [%s] # of all partitions' % ', '.join(sorted({r for _, r, _ in regions()} | {r for p in OLD.values() for r in p['regions']})))
    lines.append('  hosts:                              # of what is asked before any table')
    home = {p['id']: p['outputs']['implicitGlobalRegion'] for p in PARTITIONS['partitions']}
    for model in ('sts', 'organizations', 'ec2'):
        urls = {at: {r: u for r, u in of.items() if model != 'organizations' or r == home[at[1]]} for at, of in resolve(model).items()}
        lines.append(f'    {model}: {{%s}}' % ', '.join(f'{k}: "{v}"' for k, v in table(urls, usual(model)).items()))
    return '\n'.join(lines) + '\n'


def quoted(text):
    return "'%s'" % text


def resolve(model):
    """{(variant, partition): {region: url}} by the service's rules; what they refuse is left out."""
    provider = EndpointProvider(loader.load_service_model(model, 'endpoint-rule-set-1'), PARTITIONS)
    # These say themselves which of the service's kinds of hosts is meant; buckets stay in the path.
    more = {'s3': {'ForcePathStyle': True, 'UseGlobalEndpoint': False}}.get(model, {})
    out = collections.defaultdict(dict)
    for (fips, dual), variant in VARIANTS.items():
        for partition, region, _ in regions():
            try:
                url = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual, **more).url
            except BotoCoreError:
                continue
            out[variant, partition][region] = url
    return out


SUFFIXES = {p['id']: {v: p['outputs']['dualStackDnsSuffix' if v.endswith('dual') else 'dnsSuffix'] for v in VARIANTS.values()}
            for p in PARTITIONS['partitions']}
# The places of a pattern, as `format` counts them: the region, the domain, the partition's own domain.
REGION, SUFFIX, DNS = '{1}', '{2}', '{3}'


def pattern(url, variant, partition, region):
    """A URL with REGION, and SUFFIX for the partition's domain: DNS where it is not the one of the variant."""
    text = url.replace(f'.{region}.', f'.{REGION}.')
    for mark, suffix in ((SUFFIX, SUFFIXES[partition][variant]), (DNS, SUFFIXES[partition]['usual single'])):
        if text.endswith('.' + suffix):
            return text[:-len(suffix)] + mark
    return text


def commonest(texts):
    return collections.Counter(texts).most_common(1)[0][0]


def usual(host):
    """What the preset `regional` makes of a host, as a table of hosts."""
    out = {v: f"https://{host}{'-fips' if v.startswith('fips') else ''}.{REGION}.{SUFFIX}" for v in VARIANTS.values()}
    out.update({f'{v} aws-us-gov': out[v.replace('fips', 'usual')] for v in out if v.startswith('fips')})
    return out


def table(urls, otherwise):
    """{variant: pattern} of what most partitions have; {variant partition:} and {variant region:} of those with another."""
    made, found = {}, {}
    for (variant, partition), of in urls.items():
        found.setdefault(variant, {})[partition] = {r: pattern(url, variant, partition, r) for r, url in of.items()}
    for variant in VARIANTS.values():
        of = found.get(variant, {})
        # The big partition's rule, where it has one, is the rule.
        most = {p: commonest(t.values()) for p, t in of.items()}
        rule = made[variant] = most.get('aws') or (commonest(most.values()) if most else otherwise[variant])
        for partition, texts in of.items():
            own = most[partition]
            if own != rule:
                made[f'{variant} {partition}'] = own
            made.update({f'{variant} {r}': t for r, t in texts.items() if t != own})
        # Where its rules know no such host.
        made.update({f'{variant} {p}': otherwise[f'{variant} {p}'] for p in SUFFIXES if p not in of and
                     otherwise.get(f'{variant} {p}', rule) != rule})
    return made


def expression(hosts, region, before):
    """The URL of a request to that region (an expression), for the client's partition and variant; before: (what stands before
    the host's name, a value in it or None)."""
    text, value = before or ('', None)
    named = json.dumps({k: v.replace('https://', 'https://' + text.replace('{}', '{4}')) for k, v in hosts.items()}, separators=(',', ':'))
    values = [region, 'client.dns_suffix', "data.partitions | get(client.partition) | get('dns_suffix')"] + ([value] if value else [])
    values = values[:max(int(n) for n in re.findall(r'\{(\d)\}', named))]
    return "%s | from_json | get('{} {} {}' | format(client.fips, client.dual, %s), '{} {} {}' | format(client.fips, client.dual, " \
        "client.partition), '{} {}' | format(client.fips, client.dual)) | format(%s)" % (quoted(named), region, ', '.join(values))


def case(key, choices, otherwise):
    """Nested, since a filter takes sixteen arguments."""
    items = list(choices.items())
    out = otherwise
    for i in range(0, len(items), 7):
        args = ', '.join(f'{quoted(k)}, {quoted(v)}' for k, v in items[i:i + 7])
        out = f'{key} | case({args}, {out})'
        if i + 7 < len(items):
            out = f'({out})'
    return out


def one_region(service, urls):
    """Of a service with one endpoint in each partition: (table of hosts, {partition: region it is signed for})."""
    hosts, signing = collections.defaultdict(dict), {}
    for partition, p in OLD.items():
        entry = p['services'].get(service.host, {})
        end = entry.get('endpoints', {}).get(entry.get('partitionEndpoint'))
        if end:
            signing[partition] = end['credentialScope']['region']
            hosts['usual single', partition][signing[partition]] = 'https://' + end['hostname']
    if 'aws' not in signing:                    # one region's endpoint serves all
        signing['aws'] = service.overlay['global'] if isinstance(service.overlay['global'], str) else 'us-east-1'
        hosts['usual single', 'aws'][signing['aws']] = f'https://{service.host}.{signing["aws"]}.amazonaws.com'
    first = {p['id']: p['outputs']['implicitGlobalRegion'] for p in PARTITIONS['partitions']}
    for (variant, partition), of in urls.items():
        region = signing.get(partition)
        if region and (of.get(region) or of.get(first[partition])):
            hosts[variant, partition] = {region: of.get(region) or of[first[partition]]}
    return hosts, signing


class Places:
    """Where a service is: what the presets say, and URLs of requests that go to a region of their own."""

    def __init__(self, service):
        o = service.overlay
        try:
            urls = resolve(o['model'])
        except BotoCoreError:
            urls = {}
        self.common = {'service': service.signing, 'id': service.model.metadata.get('serviceId', service.signing).lower()}
        self.plain, self.host, self.region = usual(service.host), service.host, 'client.region'
        if o.get('global'):
            urls, signing = one_region(service, urls)
            others = {k: v for k, v in signing.items() if v != signing['aws']}
            self.region = case('client.partition', others, quoted(signing['aws'])) if others else quoted(signing['aws'])
            # A variant's host may be in another region, for which it is signed then.
            for (variant, partition), of in urls.items():
                r = next((r for r in next(iter(of.values())).split('.') if (partition, r) in {(p, r) for p, r, _ in regions()}), None)
                if r and partition in signing and r != signing[partition]:
                    fips, dual = variant.split()
                    self.region = f"{quoted(r)} if client.fips == '{fips}' and client.dual == '{dual}' and client.partition == " \
                        f"'{partition}' else ({self.region})"
            first = next(iter(urls['usual single', 'aws'].items()))
            plain = pattern(first[1], 'usual single', 'aws', first[0])
            self.hosts = table(urls, {v: plain for v in VARIANTS.values()})
        else:
            away = absent(service)
            if away:
                self.common['absent'] = ', '.join(quoted(r) for r in away)
            self.hosts = table(urls, self.plain)
        self.at = self.region if o.get('global') else o.get('in_region')      # where all of its requests go

    def url(self, region=None, before=None):
        region = region or self.at or self.region
        region = region if re.fullmatch(r"[\w.]+|'[\w-]+'", region) else f'({region})'
        return '{{ %s }}' % expression(self.hosts, region, before)

    @staticmethod
    def auth_region(region):
        return '{{ config.custom_endpoint_signing_region or %s }}' % (region if re.fullmatch(r"[\w.]+|'[\w-]+'", region) else f'({region})')

    def presets(self):
        """`use` of a service file."""
        if self.at:
            return {'global': {'url': self.url(), 'region': self.auth_region(self.at), **self.common}}
        if self.hosts == self.plain:
            return {'regional': {'host': self.host, **self.common}}
        return {'regional-by-rule': {'url': self.url(), **self.common}}


def absent(service):
    """Regions of AWS's that endpoints.json does not give the service; none where it says nothing of it."""
    out = []
    for partition, p in OLD.items():
        entry = next((p['services'][n] for n in ABSENT_BY.get(service.overlay['model'], (service.host,)) if n in p['services']), None)
        if entry and entry.get('endpoints') and not entry.get('partitionEndpoint'):
            out += sorted(set(p['regions']) - set(entry['endpoints']))
    return out


def write(path):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    a, b = text.index(BEGIN) + len(BEGIN), text.index(END)
    text = text[:a] + data() + text[b:]
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


if __name__ == '__main__':
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'aws.yml'))
