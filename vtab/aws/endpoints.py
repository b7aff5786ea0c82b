"""Where AWS's services are, from botocore's endpoint data: partitions, hosts by
their rule sets (FIPS and dual stack included), and regions that do not have a
service. generate.py asks for each service's presets; run alone, this writes the
data into aws.yml, between the two lines that say so."""
import collections
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


def usual(host, variant, partition, region, outputs):
    """What the preset `regional` makes of a host."""
    fips, dual = variant.split()
    return 'https://%s%s.%s.%s' % (host, '-fips' if fips == 'fips' and partition != 'aws-us-gov' else '', region,
                                   outputs['dualStackDnsSuffix' if dual == 'dual' else 'dnsSuffix'])


def pattern(urls, outputs, variant):
    """One text for all regions of a partition, with {} for the region and {} for the suffix, or None."""
    made = set()
    suffix = outputs['dualStackDnsSuffix' if variant.endswith('dual') else 'dnsSuffix']
    for region, url in urls.items():
        text = url.replace('.' + region + '.', '.{0}.')
        made.add(text[:-len(suffix)] + '{1}' if text.endswith('.' + suffix) else text)
    return made.pop() if len(made) == 1 else None


def regional(service, urls):
    """The preset of a service with hosts in regions, and what it is by the rules where that is another."""
    outputs = {p['id']: p['outputs'] for p in PARTITIONS['partitions']}
    odd = {}
    for (variant, partition), of in urls.items():
        if any(url != usual(service.host, variant, partition, r, outputs[partition]) for r, url in of.items()):
            text = pattern(of, outputs[partition], variant)
            # By region where the partition has no one rule.
            if text:
                odd[variant, partition] = text
            else:
                odd.update({(variant, r): pattern({r: url}, outputs[partition], variant) for r, url in of.items()
                            if url != usual(service.host, variant, partition, r, outputs[partition])})
    return odd


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


def host_expression(service, odd):
    """{{ }} text: the usual host, but for the odd ones."""
    base = "'https://%s{}.{}.{}' | format('-fips' if client.fips == 'fips' and client.partition != 'aws-us-gov' else '', client.region, " \
           "client.dns_suffix)" % service.host
    if not odd:
        return None
    variants = collections.defaultdict(dict)
    for (variant, where), text in odd.items():
        variants[variant][where] = text
    out = base
    for variant, places in variants.items():
        fips, dual = variant.split()
        texts = collections.Counter(places.values())
        parts = []
        for text, _ in texts.most_common():
            where = sorted(w for w, t in places.items() if t == text)
            names = ', '.join(quoted(w) for w in where)
            of = 'client.region' if all(re.search('[0-9]$', w) for w in where) else 'client.partition'
            call = quoted(text.replace('{0}', '{}').replace('{1}', '{}'))
            values = [v for mark, v in (('{0}', 'client.region'), ('{1}', 'client.dns_suffix')) if mark in text]
            call += f' | format({", ".join(values)})' if values else ''
            parts.append((f'{of} in [{names}]', f'({call})'))
        for condition, call in parts:
            out = f"({call} if client.fips == '{fips}' and client.dual == '{dual}' and {condition} else {out})"
    return '{{ %s }}' % out


def global_preset(service, urls):
    """One host and one region in each partition; {} for its suffix where it has that of its variant."""
    hosts, signing = {}, {}
    for partition, p in OLD.items():
        entry = p['services'].get(service.host, {})
        end = entry.get('endpoints', {}).get(entry.get('partitionEndpoint'))
        if end:
            hosts['usual single', partition] = 'https://' + end['hostname']
            signing[partition] = end['credentialScope']['region']
    if 'aws' not in signing:                    # one region's endpoint serves all
        region = service.overlay['global'] if isinstance(service.overlay['global'], str) else 'us-east-1'
        signing['aws'] = region
        hosts['usual single', 'aws'] = f'https://{service.host}.{region}.amazonaws.com'
    first = {p['id']: p['outputs']['implicitGlobalRegion'] for p in PARTITIONS['partitions']}
    for (variant, partition), of in urls.items():
        if partition not in signing:
            continue
        url = of.get(signing[partition]) or of.get(first[partition])
        if url:
            hosts[variant, partition] = url
    by = collections.defaultdict(dict)
    for (variant, partition), url in hosts.items():
        by[variant][partition] = url
    expressions = {}
    for variant, of in by.items():
        common = of.get('aws') or next(iter(of.values()))
        expressions[variant] = case('client.partition', {k: v for k, v in of.items() if v != common}, quoted(common)) \
            if any(v != common for v in of.values()) else quoted(common)
    text = expressions['usual single']
    for variant, e in expressions.items():
        if variant != 'usual single' and e != expressions['usual single']:
            fips, dual = variant.split()
            text = f"(({e}) if client.fips == '{fips}' and client.dual == '{dual}' else ({text}))"
    others = {k: v for k, v in signing.items() if v != signing['aws']}
    region = case('client.partition', others, quoted(signing['aws'])) if others else quoted(signing['aws'])
    return {'url': '{{ %s }}' % text, 'region': '{{ config.custom_endpoint_signing_region or (%s) }}' % region}


def absent(service):
    """Regions of AWS's that endpoints.json does not give the service; none where it says nothing of it."""
    out = []
    for partition, p in OLD.items():
        entry = next((p['services'][n] for n in ABSENT_BY.get(service.overlay['model'], (service.host,)) if n in p['services']), None)
        if entry and entry.get('endpoints') and not entry.get('partitionEndpoint'):
            out += sorted(set(p['regions']) - set(entry['endpoints']))
    return out


def presets(service):
    """`use` of a service file: where the service is."""
    o = service.overlay
    service_id = service.model.metadata.get('serviceId', service.signing).lower()
    common = {'service': service.signing, 'id': service_id}
    try:
        urls = resolve(o['model'])
    except BotoCoreError:
        urls = {}
    if o.get('global'):
        return {'global': {**global_preset(service, urls), **common}}
    text = host_expression(service, regional(service, urls))
    away = absent(service)
    if away:
        common['absent'] = ', '.join(quoted(r) for r in away)
    return {'regional-by-rule': {'url': text, **common}} if text else {'regional': {'host': service.host, **common}}


def write(path):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    a, b = text.index(BEGIN) + len(BEGIN), text.index(END)
    text = text[:a] + data() + text[b:]
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


if __name__ == '__main__':
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'aws.yml'))
