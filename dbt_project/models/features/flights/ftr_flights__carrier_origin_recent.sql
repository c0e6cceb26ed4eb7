with departures as (

    select * from {{ source('flights', 'departures') }}
    where partition_day between {{ window_first() }} - 7 and {{ window_last() }}

),

tiles as (

    select
        carrier,
        origin,
        time_bucket(interval 1 hour, departed_at) as tile,
        count(*) as departures,
        sum(departure_delay) as delay,
        count(*) filter (departure_delay > 15) as late
    from departures
    group by all

),

spine as (

    select
        carrier,
        origin,
        unnest(generate_series(
            {{ window_first() }} - interval 7 day,
            {{ window_last() }} + interval 23 hour,
            interval 1 hour
        )) as event_timestamp
    from (select distinct carrier, origin from tiles)

),

windowed as (

    {% set by = 'spine.carrier, spine.origin' %}
    select
        spine.carrier,
        spine.origin,
        spine.event_timestamp,
        {{ trailing_sum('delay', 3, by, 'spine.event_timestamp') }} as delay_3h,
        {{ trailing_sum('departures', 3, by, 'spine.event_timestamp') }} as departures_3h,
        {{ trailing_sum('delay', 24, by, 'spine.event_timestamp') }} as delay_24h,
        {{ trailing_sum('late', 24, by, 'spine.event_timestamp') }} as late_24h,
        {{ trailing_sum('departures', 24, by, 'spine.event_timestamp') }} as departures_24h,
        {{ trailing_sum('departures', 168, by, 'spine.event_timestamp') }} as departures_7d
    from spine
    left join tiles
        on spine.carrier = tiles.carrier
        and spine.origin = tiles.origin
        and spine.event_timestamp = tiles.tile

),

recent as (

    select
        carrier,
        origin,
        event_timestamp,
        event_timestamp as created_timestamp,
        event_timestamp::date as partition_day,
        delay_3h / departures_3h as departure_delay_mean_3h,
        delay_24h / departures_24h as departure_delay_mean_24h,
        late_24h / departures_24h as late_share_24h
    from windowed
    where departures_7d > 0 and {{ in_window('event_timestamp::date') }}

)

select * from recent
