{# The rows of a feature view that declares `aggregates` in its .yml, over this run's window of days:
   {{ windowed_aggregates(source('team', 'table')) }} is the whole .sql of such a view. The source is
   named there once more because dbt reads lineage from the .sql alone, before any .yml.

   What the rows are is written in mlplat_assets/aggregates.py. A warehouse supplies its own SQL as
   <adapter>__windowed_aggregates(source, declared); `declared` is what declared_aggregates gives. #}

{% macro windowed_aggregates(source) -%}
    {#- While dbt parses, a model's .yml is not read yet; what matters then is source() above. -#}
    {%- if execute -%}
        {{ adapter.dispatch('windowed_aggregates')(source, declared_aggregates(source)) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__windowed_aggregates(source, declared) -%}
    {{ exceptions.raise_compiler_error(
        "windowed_aggregates has no SQL for " ~ target.type ~ "; write the macro "
        ~ target.type ~ "__windowed_aggregates(source, declared)"
    ) }}
{%- endmacro %}

{# The model's declaration with durations in seconds, windows in hops, and the partial aggregates
   that tiles of one hop must hold: a list of {name, column, kind, bound}, each once. #}
{% macro declared_aggregates(source) -%}
    {%- set view = model.config.meta.feature_view -%}
    {%- set given = view.aggregates -%}
    {%- set every = seconds(given.every) -%}
    {%- set floats = [] -%}
    {%- for column in adapter.get_columns_in_relation(source) if column.is_float() -%}
        {%- do floats.append(column.name) -%}
    {%- endfor -%}
    {%- set partials, features, columns = {}, [], [] -%}
    {%- for name, feature in given.features.items() -%}
        {%- set column = feature.column -%}
        {%- if column and column not in columns %}{% do columns.append(column) %}{% endif -%}
        {%- set parts = [] -%}
        {%- for kind in partial_kinds(feature.function) -%}
            {%- set bound = feature.above if kind == 'above' -%}
            {%- set part = [column or 'rows', kind, bound | string | replace('.', '_')
                | replace('-', 'minus_')] if kind == 'above' else [column or 'rows', kind] -%}
            {%- set part = part | join('__') -%}
            {%- do partials.update({part: {
                'name': part, 'column': column, 'kind': kind, 'bound': bound,
                'is_float': column in floats
            }}) -%}
            {%- do parts.append(part) -%}
        {%- endfor -%}
        {%- do features.append({
            'name': name, 'function': feature.function, 'parts': parts,
            'hops': seconds(feature.window) // every, 'is_float': column in floats
        }) -%}
    {%- endfor -%}
    {{ return({
        'entities': view.entities, 'timestamp': given.timestamp, 'unit': given.unit,
        'stream': given.stream or false, 'every': every, 'features': features,
        'reach': every + every * (features | map(attribute='hops') | max),
        'columns': columns, 'floats': floats, 'partials': partials.values() | list
    }) }}
{%- endmacro %}

{# A mean is kept as sum and number of values: a mean of tile means would be wrong. #}
{% macro partial_kinds(function) -%}
    {{ return({
        'count': ['count'], 'sum': ['sum'], 'mean': ['sum', 'values'], 'min': ['min'],
        'max': ['max'], 'share': ['above', 'values']
    }[function]) }}
{%- endmacro %}

{% macro seconds(duration) -%}
    {%- set number, unit = duration.split(' ') -%}
    {{ return((number | int)
        * {'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800}[unit.rstrip('s')]) }}
{%- endmacro %}
