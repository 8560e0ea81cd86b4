"""English words that tell whom an adjective or a pronoun is about. They say no sensitive attribute themselves."""


def words(text: str) -> frozenset[str]:
    """A set of words from one string."""
    return frozenset(text.split())


def plural(word: str) -> str:
    """The plural of a regular noun, of -man words and of child: woman -> women, lady -> ladies."""
    if word == "child" or word.endswith("grandchild"):
        return word + "ren"
    if word == "person":
        return "people"
    if word.endswith("man"):
        return word[:-3] + "men"
    if word.endswith("-in-law"):
        return plural(word.removesuffix("-in-law")) + "-in-law"
    if word.endswith("wife"):
        return word[:-2] + "ves"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "sh", "ch")) else "s")


def with_plurals(text: str) -> frozenset[str]:
    """Nouns from one string, and their regular plurals."""
    return words(text) | {plural(word) for word in words(text)}


DETERMINERS = words("a an the this that these those some any each every another one's")
NUMBERS = words("one two three four five six seven eight nine ten several many few both all")
PREPOSITIONS = words(
    """
    in on at by with without from to of for into onto over under behind beside besides near next along across
    around through between among against above below beneath underneath inside outside upon during toward
    towards off out up down about after before like than past atop amid amongst alongside beyond within via per
    despite
    """
)
CONJUNCTIONS = words("and or but while as because so if when where who whom whose which that nor & though")
COPULAS = words("is are was were be been being isn't looks look seems appears appear looking")
AUXILIARIES = COPULAS | words("am has have had do does did can could will would may might must not who that")
ADVERBS = words(
    """
    very quite rather so too really pretty fairly extremely somewhat also just only still then there here away
    together again back intently happily carefully slowly quickly gently
    """
)
SUBJECTS = words("i you it we they he she someone somebody everyone nobody who there")
FUNCTION_WORDS = DETERMINERS | PREPOSITIONS | CONJUNCTIONS | AUXILIARIES | SUBJECTS | words("its their my your our")

# Nouns that name a person or a group of persons, whatever their attributes.
PERSONS = with_plurals(
    """
    person persons host landholder actor guide
    alien human individual someone somebody adult couple family folk group team duo
    trio gentlefolk parent grandparent sibling relative friend stranger spouse partner lover twin cousin orphan
    neighbor neighbour guest visitor tourist traveler traveller passenger commuter pedestrian passerby bystander
    onlooker spectator fans customer shopper patron client patient student pupil graduate teacher professor
    lecturer scholar scientist researcher engineer doctor nurse surgeon dentist pharmacist therapist
    veterinarian vet lawyer judge officer cop police detective sheriff guard soldier sailor pilot captain
    astronaut veteran warrior knight samurai ninja pirate firefighter paramedic worker laborer labourer builder
    carpenter plumber electrician mechanic welder farmer gardener fisher shepherd butcher baker chef cook
    bartender barista vendor seller merchant cashier clerk secretary receptionist librarian manager executive
    boss employee employer entrepreneur banker accountant politician president minister senator mayor leader
    activist protester journalist reporter writer author poet artist painter sculptor photographer model
    designer architect musician singer rapper guitarist drummer violinist cellist pianist saxophonist trumpeter
    dj performer dancer comedian magician clown acrobat director celebrity player athlete batter hitter pitcher
    catcher umpire referee goalkeeper goalie quarterback outfielder infielder runner jogger sprinter swimmer
    diver surfer skier snowboarder skateboarder skater boarder boxer wrestler gymnast cyclist biker bicyclist
    motorcyclist rider racer jockey equestrian golfer bowler archer hiker climber camper rower kayaker boater
    paddler driver conductor operator attendant messenger courier trainer instructor owner zookeeper handler
    caretaker caregiver nanny babysitter maid servant butler assistant intern volunteer member citizen resident
    villager immigrant refugee native local tribe nomad homeless beggar prisoner thief criminal suspect victim
    hero heroes villain saint priest pastor bishop rabbi imam pope pilgrim preacher worshipper angel hipster
    punk goth rebel hippie nerd geek bodybuilder cheerleader scout programmer developer hacker technician gamer
    blogger influencer vlogger barber hairdresser tailor potter weaver blacksmith jeweler florist sage elder
    shaman healer wizard sorcerer witch elf vampire zombie cyborg redhead blonde brunette beauty bachelor
    newlywed socialite fashionista presenter speaker commentator dealers ranger lifeguard janitor cleaner
    inspector agent spy assassin mercenary bodyguard chief hunter apprentice colleague coworker co-worker
    classmate teammate roommate mate companion peer buddy pal acquaintance ancestor descendant heir gatherer
    trader trapper explorer adventurer beekeeper wrangler rancher herder cowhand farmhand picker harvester
    spinner knitter cobbler shoemaker watchmaker woodworker stonemason mason bricklayer roofer machinist miner
    logger lumberjack docker viking gladiator centurion legionnaire colonel lieutenant sergeant corporal
    commander admiral cadet trooper paratrooper medic recruit sniper fighter revolutionary protestor striker
    philosopher inventor astronomer mathematician chemist physicist psychologist psychiatrist physiotherapist
    midwife counselor counsellor advisor adviser consultant analyst economist broker investor shopkeeper
    storekeeper innkeeper salesperson spokesperson chairperson businessperson craftsperson policeperson
    congressperson layperson artisan craftsworker supervisor contractor surveyor undertaker bellhop porter usher
    waitstaff sommelier housekeeper homemaker tutor principal dean headteacher schoolteacher postdoc alumnus
    valedictorian freshman sophomore wanderer vagabond tramp hobo hitchhiker backpacker sightseer vacationer
    beachgoer sunbather snorkeler windsurfer kitesurfer paraglider skydiver parachutist mountaineer trekker
    orienteer marathoner triathlete decathlete hurdler vaulter fencer judoka karateka kickboxer weightlifter
    powerlifter basketballer footballer cricketer midfielder defender linebacker shortstop bassist keyboardist
    percussionist flautist flutist harpist organist soprano baritone soloist vocalist songwriter composer
    choreographer playwright novelist screenwriter filmmaker cinematographer videographer illustrator animator
    cartoonist calligrapher ceramicist printmaker engraver goldsmith silversmith milliner seamster dressmaker
    stylist beautician manicurist yogi guru missionary deacon parishioner worshiper devotee believer churchgoer
    mourner newcomer foreigner expat migrant islander dweller inhabitant settler pioneer colonist peasant serf
    slave noble aristocrat ruler monarch pharaoh sultan sheikh maharaja raja emir czar tsar squire jester
    minstrel bard alchemist druid rogue paladin superhero sidekick mutant humanoid fairy pixie nymph deity
    pensioner retiree attendee participant contestant competitor loser champion medalist finalist applicant
    candidate voter juror witness plaintiff defendant attorney paralegal bailiff warden inmate convict detainee
    hostage captive survivor donor recipient sufferer amputee carer nursemaid youngun streamer youtuber
    podcaster cosplayer hiphopper busker mime juggler ventriloquist puppeteer stuntperson contortionist
    crossfitter passer-by moviegoer concertgoer partygoer reveler reveller merrymaker caroler honeymooner
    taxpayer pedlar peddler hawker stallholder fishmonger greengrocer grocer tycoon millionaire billionaire
    magnate mogul ceo cfo gondolier chauffeur motorist trucker cabbie aviator cosmonaut soulmate crew crews
    squad troop choir ensemble audience congregation household quartet gang mob
    """
)
# Of these, the ones that also name a thing: a white pitcher may hold water.
ALSO_THINGS = words("pitcher batter catcher model models runner runners group")

BREEDS = words("german australian belgian anatolian caucasian dutch english")
SHEPHERDS = frozenset(f"{breed} shepherd{ending}" for breed in BREEDS for ending in ("", "s"))
ANIMALS = SHEPHERDS | with_plurals(
    """
    animal snowman scarecrow dog puppy pup hound retriever terrier bulldog poodle husky dachshund labrador
    chihuahua collie spaniel beagle corgi pug doggy cat kitten kitty feline canine horse pony foal mare stallion
    colt donkey mule cow cattle calf calves bull ox oxen steer bison buffalo goat sheep lamb ram ewe pig piglet
    hog boar elephant giraffe zebra lion lioness tiger cheetah leopard panther bear cub panda koala kangaroo
    wolf wolves fox coyote deer fawn elk moose reindeer antelope gazelle camel llama alpaca hippo hippopotamus
    rhino rhinoceros monkey ape gorilla chimpanzee orangutan baboon lemur squirrel rabbit bunny hare mouse mice
    rat hamster ferret raccoon skunk otter beaver seal walrus whale dolphin shark fish goldfish turtle tortoise
    frog snake lizard crocodile alligator dinosaur dragon bird chick chicken hen rooster duck duckling goose
    geese gosling swan turkey pigeon dove seagull gull crow raven owl eagle hawk falcon vulture parrot parakeet
    penguin ostrich flamingo peacock pelican heron stork crane sparrow hummingbird cockatoo macaw bee butterfly
    spider ant insect pet livestock herd wildlife primate mammal teddy plush plushie robot tabby tomcat
    greyhound pitbull rottweiler dalmatian mutt pooch filly
    """
)

# Nouns that an adjective or a person noun before them only describes: "old bench", "baby bottle", "Chinese food".
THINGS = with_plurals(
    """
    area hostel airplane plane jet aircraft airliner bus train tram car truck van taxi cab vehicle motorcycle
    motorbike bike bicycle scooter boat ship canoe engine locomotive carriage wagon cart stroller buggy building
    house home barn church cathedral temple castle tower bridge station store shop market restaurant cafe diner
    hotel apartment room bedroom bathroom restroom washroom toilet kitchen office hall hallway school hospital
    museum stadium court field park garden yard street road alley city town village farm ranch wall door window
    roof floor fence gate stairs staircase brick stone bench chair couch sofa bed crib table desk dresser
    cabinet shelf lamp mirror clock sink tub bathtub shower stove oven refrigerator fridge microwave toaster tv
    television computer laptop monitor keyboard phone telephone camera radio piano guitar violin book magazine
    newspaper paper photo photograph picture image drawing painting print poster sign flag symbol writing
    language text words script calligraphy food cuisine dish meal dinner lunch breakfast snack pizza sandwich
    burger curry noodles rice soup salad sauce bread cake pastry donut tea coffee wine beer bottle cup mug glass
    bowl plate pot pan knife fork spoon vase flower plant tree oak pine palm bush leaf leaves vine forest
    mountain hill river lake ocean sea beach island rock pear orange apple fruit vegetable cabbage broccoli
    carrots shirt dress jacket coat hat cap pants jeans shorts skirt suit tie shoe boot clothes clothing outfit
    uniform costume robe gown kimono jersey sweater glove sunglasses scarf helmet bag purse luggage suitcase
    backpack umbrella blanket towel pillow rug carpet curtain toy doll ball bat racket kite frisbee skateboard
    snowboard surfboard board skis statue sculpture figurine mannequin monument fountain pagoda palace fort
    ruins cannon sword gun tool machine machinery equipment furniture antique box basket rope wire pole pipe
    metal wood wooden cheese spice architecture style art decor decoration tapestry porcelain silk lantern drum
    music song movie film country landscape savanna savannah desert sunset sky lettering license money coin
    stamp map grocery product brand factory company airline navy light fireplace hydrant mailbox sidewalk pier
    dock harbor port airport runway track tunnel railway railroad rail steam heater radiator faucet plumbing
    tile counter countertop appliances dishwasher washer voice connector plug carrier seat formula powder
    shampoo pacifier bib diaper wipes playground tent rodeo festival ceremony vacation cottage cabin mill
    lighthouse windmill cemetery grave tombstone battery trailer sled sleigh saddle wheel tire marble cards
    puzzle calendar diary journal letter manuscript scroll bookcase growth branch trunk log stump bark grass
    leather recipe
    """
)

# Words between an adjective and its person that do not change whom it is about: "white male tennis player".
MODIFIERS = words(
    """
    public tall short little small tiny big large thin slim fat heavy overweight obese skinny muscular strong
    athletic fit beautiful pretty handsome attractive cute adorable lovely gorgeous elegant stylish fashionable
    sexy cool nice sweet happy sad angry smiling laughing crying sleeping sitting standing walking running
    surfing skiing serious cheerful joyful tired lonely lone single married pregnant bearded bald balding blond
    blonde brunette redhead redheaded red-haired dark-haired long-haired short-haired curly-haired haired hair
    headed dark light fair skinned dark-skinned light-skinned freckled tanned shirtless naked topless nude
    barefoot masked hooded dressed well-dressed uniformed professional amateur famous wealthy rich poor homeless
    blind deaf disabled wise brave proud shy curious playful friendly good bad mysterious confident determined
    focused retired working traditional modern modest rural urban tribal tennis baseball football soccer
    basketball hockey volleyball golf rugby cricket polo ski snow skate surf chess business school college
    university high police fire military army navy air law medical construction office factory farm street bus
    taxi truck train rock jazz pop folk opera ballet fashion news film movie tv wedding yoga fitness martial
    arts circus video concert red brown gray grey blue-eyed green-eyed silver gold golden first second third
    other same own average average-looking good-looking regular ordinary typical real true very most more
    extremely quite rather so still
    """
)

# Places and goods made for a kind of person: "the women's restroom" shows no woman.
MADE_FOR = words(
    """
    restroom restrooms bathroom bathrooms washroom washrooms toilet toilets room rooms locker changing
    department section store shop clothing clothes wear apparel shoes book books toy toys toothbrush menu museum
    hospital playground park party fashion magazine magazines size ward bike bikes bicycle meal furniture
    accessories urinal urinals lavatory loo
    """
)
PICTURES = words("portrait portraits headshot headshots selfie faceshot face closeup close-up mugshot")
