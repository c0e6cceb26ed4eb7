with arrivals as (

    select * from {{ source('flights', 'arrivals') }}
    where partition_day between {{ window_first() }} - 7 and {{ window_last() }}

),

tiles as (

    select
        carrier,
        time_bucket(interval 1 hour, landed_at) as tile,
        count(*) as landings,
        sum(arrival_delay) as delay,
        count(*) filter (arrival_delay > 15) as late
    from arrivals
    group by all

),

spine as (

    select
        carrier,
        unnest(generate_series(
            {{ window_first() }} - interval 7 day,
            {{ window_last() }} + interval 23 hour,
            interval 1 hour
        )) as event_timestamp
    from (select distinct carrier from tiles)

),

windowed as (

    -- Sums of whole minutes are exact, so a rebuilt partition is the same to the last bit.
    select
        spine.carrier,
        spine.event_timestamp,
        {{ trailing_sum('delay', 3, 'spine.carrier', 'spine.event_timestamp') }} as delay_3h,
        {{ trailing_sum('landings', 3, 'spine.carrier', 'spine.event_timestamp') }} as landings_3h,
        {{ trailing_sum('delay', 24, 'spine.carrier', 'spine.event_timestamp') }} as delay_24h,
        {{ trailing_sum('late', 24, 'spine.carrier', 'spine.event_timestamp') }} as late_24h,
        {{ trailing_sum('landings', 24, 'spine.carrier', 'spine.event_timestamp') }} as landings_24h,
        {{ trailing_sum('late', 168, 'spine.carrier', 'spine.event_timestamp') }} as late_7d,
        {{ trailing_sum('landings', 168, 'spine.carrier', 'spine.event_timestamp') }} as landings_7d
    from spine
    left join tiles
        on spine.carrier = tiles.carrier and spine.event_timestamp = tiles.tile

),

recent as (

    select
        carrier,
        event_timestamp,
        event_timestamp as created_timestamp,
        event_timestamp::date as partition_day,
        delay_3h / landings_3h as arrival_delay_mean_3h,
        delay_24h / landings_24h as arrival_delay_mean_24h,
        late_24h / landings_24h as late_share_24h,
        late_7d / landings_7d as late_share_7d,
        coalesce(landings_24h, 0)::bigint as landings_24h
    from windowed
    where landings_7d > 0 and {{ in_window('event_timestamp::date') }}

)

select * from recent
