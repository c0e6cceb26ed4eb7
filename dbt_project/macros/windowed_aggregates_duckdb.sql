{# windowed_aggregates for DuckDB. Tiles of one hop hold partial aggregates; windows combine tiles.

   Doubles are added in a fixed order, (timestamp, unit) within a tile and then tile by tile, because
   a sum of doubles in another order has other bits and a rebuilt day another digest. #}

{% macro duckdb__windowed_aggregates(source, declared) -%}
{%- set quoted = [] -%}
{%- for entity in declared.entities %}{% do quoted.append(adapter.quote(entity)) %}{% endfor -%}
{%- set entities = quoted | join(', ') -%}
{%- set at, unit = adapter.quote(declared.timestamp), adapter.quote(declared.unit) -%}
{%- set reach = "interval '" ~ declared.reach ~ " seconds'" -%}
{%- set every = "interval '" ~ declared.every ~ " seconds'" -%}
{%- set first = window_first() ~ '::timestamp' -%}
{%- set end = '(' ~ window_last() ~ " + 1)::timestamp" -%}
with landed as (

    -- Twice the reach: whether a row repeats a unit depends on the reach before it.
    select
        {{ entities }},
        {{ at }} as _at,
        {{ unit }} as _unit,
        {%- for column in declared.columns %}
        {{ numeric(column, column in declared.floats) }} as {{ column }}__value,
        {%- endfor %}
        lag({{ at }}) over (partition by {{ unit }} order by {{ at }}, rowid) as _copied_at
    from {{ source }}
    -- A day of slack prunes files; the timestamp decides.
    where partition_day between ({{ first }} - 2 * {{ reach }})::date - 1 and {{ window_last() }} + 1
        and {{ at }} >= {{ first }} - 2 * {{ reach }}
        and {{ at }} < {{ end }}
        and {{ unit }} is not null
        {%- for entity in quoted %}
        and {{ entity }} is not null
        {%- endfor %}

),

source_rows as (

    select *, time_bucket({{ every }}, _at, timestamp '1970-01-01') as _hop
    from landed
    where _at >= {{ first }} - {{ reach }}
        and (_copied_at is null or _at > _copied_at + {{ reach }})

),

tiles as (

    select
        {{ entities }},
        _hop,
        {%- for part in declared.partials %}
        {{ tile_partial(part) }} as {{ part.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from source_rows
    group by {{ entities }}, _hop

),

neighbours as (

    select
        *,
        lead(_hop) over (partition by {{ entities }} order by _hop) as _next_hop,
        coalesce(
            _hop > lag(_hop) over (partition by {{ entities }} order by _hop) + {{ reach }}, true
        ) as _begins
    from tiles

),

numbered as (

    select
        *, count(*) filter (_begins) over (partition by {{ entities }} order by _hop) as _run
    from neighbours

),

hops as (

    -- Every hop from a tile to the next one or until the longest window and a closing row are over:
    -- hops of a run follow each other without a gap, so windows below count rows.
    select
        *,
        unnest(generate_series(
            _hop,
            least(_next_hop - {{ every }}, _hop + {{ reach }}, {{ end }}),
            {{ every }}
        )) as _t
    from numbered

),

windowed as (

    select
        {{ entities }},
        _t,
        _t = _hop and _begins as _precedes_all,
        {%- for part, length in windowed_partials(declared) %}
        {{ window_partial(part, "over (in_run rows between " ~ length ~ " preceding and 1 preceding)") }}
            as {{ part.name }}__{{ length }}{{ ',' if not loop.last }}
        {%- endfor %}
    from hops
    window in_run as (partition by {{ entities }}, _run order by _t)

),

{% if declared.stream -%}
so_far as (

    -- The rows of a hop up to each moment of it, the moment's own rows included.
    select
        {{ entities }},
        _at,
        _hop,
        {%- for part in declared.partials %}
        {{ running_partial(part, 'over so_far') }} as {{ part.name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from source_rows
    window so_far as (
        partition by {{ entities }}, _hop order by _at, _unit
        rows between unbounded preceding and current row
    )
    qualify row_number() over (partition by {{ entities }}, _at order by _unit desc) = 1

),

{% endif -%}
combined as (

    select {{ entities }}, _t as event_timestamp, * exclude ({{ entities }}, _t, _precedes_all)
    from windowed
    where not _precedes_all
    {%- if declared.stream %}

    union all

    -- A row counts one microsecond after its timestamp; at the hop's end the row there says it.
    select
        {{ entities }},
        _at + interval 1 microsecond,
        {%- for part, length in windowed_partials(declared) %}
        {{ added_partial(part, part.name ~ '__' ~ length) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from windowed
    inner join so_far using ({{ entities }})
    where _t = _hop and _at + interval 1 microsecond < _hop + {{ every }}
    {%- endif %}

),

aggregated as (

    select
        {{ entities }},
        event_timestamp,
        event_timestamp as created_timestamp,
        event_timestamp::date as partition_day,
        {%- for feature in declared.features %}
        {{ finished(feature) }} as {{ adapter.quote(feature.name) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from combined
    where {{ in_window('event_timestamp::date') }}

)

select * from aggregated
{%- endmacro %}
